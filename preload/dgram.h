/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns which descriptors are UDP sockets that the helper steers to, so that answers are to leave
 * from where was asked. Not all ways to close a descriptor are seen, so an entry may be out of
 * date: a socket is asked for its cookie before anything is sent otherwise than the server would.
 *
 * A process that may be in a sandbox (seccomp(2)) makes no system call any more but its own.
 */
#ifndef SKSTEER_DGRAM_H
#define SKSTEER_DGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "asked.h"
#include "memory.h"
#include "readable.h"
#include "reply_socket.h"

#define SKS_DGRAM_STEERED   1u	 /* the helper has it, and it says where datagrams were sent to */
#define SKS_DGRAM_CONNECTED 2u	 /* ours instead of the server's: connected where was asked */
#define SKS_DGRAM_LOOKED    4u	 /* inherited or unknown, and looked at: none of these */
#define SKS_DGRAM_ASKED4    8u	 /* the server itself wants IP_RECVORIGDSTADDR, ... */
#define SKS_DGRAM_ASKED6    16u	 /* ... IPV6_RECVORIGDSTADDR */
#define SKS_DGRAM_V6	    32u	 /* an AF_INET6 socket */
#define SKS_DGRAM_WILDCARD  64u	 /* bound to no address */
#define SKS_DGRAM_CORKED    128u /* the server puts datagrams together (UDP_CORK) */
#define SKS_DGRAM_ASKER	    256u /* it has received something */
#define SKS_DGRAM_PIECES    512u /* a piece of a datagram waits in it for the next (MSG_MORE) */

#define SKS_PASSED 64

struct sks_dgram {
	_Atomic uint32_t flags;
	uint16_t port;	 /* that it is bound to, or (CONNECTED) was before */
	uint64_t cookie; /* SO_COOKIE */
	uint64_t token;	 /* that the helper gave for it */
	struct sks_endpoint bound;
	int32_t pid; /* the process that bound it, or was executed with it */
	/* CONNECTED: the server's own socket, out of the way, for when it connects otherwise; or 0.
	 */
	int original;
	uint64_t original_cookie;
	/* As epoll_ctl(2) has it, since connect(2) may put another socket in its place. */
	int epoll; /* 0: in none */
	uint32_t epoll_events;
	uint64_t epoll_data;
};

struct sks_udp {
	struct sks_asked *asked;
	_Atomic uint32_t receives;
	_Atomic uint32_t end; /* no descriptor at or beyond was ever looked at */
	_Atomic int32_t pid;  /* whose sockets of ours these are: not a vfork(2)ed child's */
	struct sks_dgram fds[SKS_FDS];
	struct sks_reply_sockets replies;
	struct sks_pages pages;
	_Atomic uint32_t n_passed;
	_Atomic uint64_t passed[SKS_PASSED]; /* cookies of sockets not to be looked at */
};

/* NULL: this process has nothing to do with UDP. */
extern struct sks_udp *sks_udp;

/* For a process whose spec names UDP, or that has a socket steered. False: no memory. */
bool sks_udp_begin(void);

/* Has this process begun to go into a sandbox? */
extern _Atomic bool sks_sandboxed;
void sks_udp_sandbox(void);

/* Whoever it is, in a sandbox as well. NULL in nearly all cases. */
static inline struct sks_dgram *sks_dgram_peek(int fd, uint32_t flags)
{
	struct sks_udp *udp = sks_udp;

	if (__builtin_expect(!udp, 1) || (unsigned int)fd >= SKS_FDS)
		return NULL;
	return udp->fds[fd].flags & flags ? &udp->fds[fd] : NULL;
}

/* What hooks ask first. */
static inline struct sks_dgram *sks_dgram_find(int fd, uint32_t flags)
{
	struct sks_dgram *dgram = sks_dgram_peek(fd, flags);

	return dgram && !sks_sandboxed ? dgram : NULL;
}

/* The same of a socket that is about to receive: an inherited one is looked at, once. */
struct sks_dgram *sks_dgram_look(int fd);
static inline struct sks_dgram *sks_dgram_receiver(int fd)
{
	return __builtin_expect(!sks_udp, 1) || sks_sandboxed ? NULL : sks_dgram_look(fd);
}

/* The helper steers to fd now, a UDP socket. */
void sks_dgram_adopt(int fd, uint64_t token);
/* It is another socket now: nothing is known of it. */
void sks_dgram_forget(int fd);
/* other is a duplicate of fd. */
void sks_dgram_duplicate(int fd, int other);
/*
 * fd is now a socket that is connected where the entry's one was asked, which is kept as original,
 * or 0; or it is that one again.
 */
void sks_dgram_connected(int fd, int original);
void sks_dgram_restored(int fd);
/* The server is about to close what is at these numbers, or has done so. */
void sks_dgram_closing(unsigned int first, unsigned int last);
void sks_dgram_closed(unsigned int first, unsigned int last);
/* Is fd still the socket that the entry is about? A system call. */
bool sks_dgram_holds(const struct sks_dgram *dgram, int fd);
/* The server has (not) asked for IP(V6)_RECVORIGDSTADDR: of the socket, by whichever descriptor. */
void sks_dgram_ask(const struct sks_dgram *dgram, uint32_t flag, bool wanted);
/* It is not for us to look at: the server itself wants to be told where datagrams were sent to. */
void sks_dgram_pass_over(int fd);

/* Of what the server passes to a call about fd. */
static inline bool sks_dgram_may_read(int fd, const void *bytes, size_t len)
{
	if (sks_sandboxed)
		return bytes || !len;
	return sks_readable(&sks_udp->pages, fd, bytes, len);
}

static inline int sks_dgram_domain(const struct sks_dgram *dgram)
{
	return dgram->flags & SKS_DGRAM_V6 ? AF_INET6 : AF_INET;
}

#endif
