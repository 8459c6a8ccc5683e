/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns which descriptors are UDP sockets that the helper steers to, so that answers are to leave
 * from where was asked. An entry may be out of date: so a socket is asked for its cookie before
 * anything is done with it that would do harm to another one, once after each close(2) of its
 * number. Such a close changes nothing else: it may be a vfork(2)ed child's, which has our memory
 * and descriptors of its own.
 */
#ifndef SKSTEER_DGRAM_H
#define SKSTEER_DGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "asked.h"
#include "memory.h"
#include "reply_socket.h"

#define SKS_DGRAM_STEERED   1u	 /* the helper has it, and it says where datagrams were sent to */
#define SKS_DGRAM_CONNECTED 2u	 /* ours instead of the server's: connected where was asked */
#define SKS_DGRAM_LOOKED    4u	 /* inherited or unknown, and looked at: none of these */
#define SKS_DGRAM_ASKED4    8u	 /* the server itself wants IP_RECVORIGDSTADDR, ... */
#define SKS_DGRAM_ASKED6    16u	 /* ... IPV6_RECVORIGDSTADDR */
#define SKS_DGRAM_V6	    32u	 /* an AF_INET6 socket */
#define SKS_DGRAM_WILDCARD  64u	 /* bound to no address */
#define SKS_DGRAM_SURE	    128u /* its cookie was seen, and nobody has closed it since */

struct sks_dgram {
	_Atomic uint32_t flags;
	uint16_t port;	 /* that it is bound to, or (CONNECTED) was before */
	uint64_t cookie; /* SO_COOKIE */
	struct sks_endpoint bound;
};

struct sks_udp {
	struct sks_asked *asked;
	_Atomic uint32_t receives;
	_Atomic uint32_t end; /* no descriptor at or beyond was ever one of them */
	struct sks_dgram fds[SKS_FDS];
	struct sks_reply_sockets replies;
};

/* NULL: this process has nothing to do with UDP. */
extern struct sks_udp *sks_udp;

/* For a process whose spec names UDP, or that has a socket steered. False: no memory. */
bool sks_udp_begin(void);

/* What hooks ask first: NULL in nearly all cases. */
static inline struct sks_dgram *sks_dgram_find(int fd, uint32_t flags)
{
	struct sks_udp *udp = sks_udp;

	if (__builtin_expect(!udp, 1) || (unsigned int)fd >= SKS_FDS)
		return NULL;
	return udp->fds[fd].flags & flags ? &udp->fds[fd] : NULL;
}

/* The same of a socket that is about to receive: an inherited one is looked at, once. */
struct sks_dgram *sks_dgram_look(int fd);
static inline struct sks_dgram *sks_dgram_receiver(int fd)
{
	return __builtin_expect(!sks_udp, 1) ? NULL : sks_dgram_look(fd);
}

/* The helper steers to fd now, a UDP socket. */
void sks_dgram_adopt(int fd);
/* It is another socket now: nothing is known of it. */
void sks_dgram_forget(int fd);
/* other is a duplicate of fd. */
void sks_dgram_duplicate(int fd, int other);
/* fd is now a socket that is connected where the entry's one was asked. */
void sks_dgram_connected(int fd);
/* Whoever is at these numbers, or was, is to be asked again. */
void sks_dgram_doubt(unsigned int first, unsigned int last);
/* Is fd still the socket that the entry is about? Where there is a doubt, a system call. */
bool sks_dgram_holds(struct sks_dgram *dgram, int fd);

static inline int sks_dgram_domain(const struct sks_dgram *dgram)
{
	return dgram->flags & SKS_DGRAM_V6 ? AF_INET6 : AF_INET;
}

#endif
