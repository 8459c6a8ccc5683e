/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the questions to the kernel about a namespace: which sockets hold ports, what is local. */
#ifndef SKSTEER_DIAG_H
#define SKSTEER_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/prefix.h"

/* A TCP socket that listens or could, or an unconnected UDP socket with a port (sock_diag(7)). */
struct sks_held {
	struct sks_prefix addr; /* full length, or length 0 when wildcard; IPv4-mapped as IPv4 */
	bool both_families;	/* a wildcard IPv6 socket that takes IPv4 too (not IPV6_V6ONLY) */
	bool idle;		/* TCP, bound and not listening: only Linux 6.8 lists them */
	bool reply;		/* it looks like a reply socket, which is up to its owner */
	uint16_t port;		/* host order */
	uint8_t state;		/* TCP_... of <netinet/tcp.h>, of UDP sockets too */
	uint32_t ifindex;	/* that it is bound to, or 0 */
	uint32_t uid;		/* in the helper's user namespace; 65534 also when unmapped */
	uint32_t inode;		/* 0: no process has it */
	uint32_t service;	/* number + 1, of one that changes (held.c), or 0 */
	uint64_t cookie;	/* SO_COOKIE */
};

struct sks_held_list {
	struct sks_held *held; /* malloc'd; sks_held_free() */
	size_t n;
};

/* Ports from first to last, host order. */
struct sks_port_range {
	uint16_t first, last;
};
#define SKS_DIAG_RANGES	  32
#define SKS_DIAG_ATTEMPTS 4 /* at a dump under which the sockets change */

/*
 * Every such socket of proto (IPPROTO_TCP or IPPROTO_UDP) on the n ranges of ports, once however
 * often its port is named; with none of them, or more than SKS_DIAG_RANGES, on all ports. Both
 * families, in no order; those bound to a device or a link-local address too. Not an atomic
 * picture: a socket that comes or goes meanwhile may be in it or not. -ENOENT when the kernel lacks
 * that protocol's diag module, -ETIMEDOUT after a second without an answer, -E2BIG beyond 2^20
 * sockets, -EAGAIN when they change all the time.
 */
int sks_diag_held(int netns, uint8_t proto, const struct sks_port_range *ranges, size_t n,
		  struct sks_held_list *ret_list);
void sks_held_free(struct sks_held_list *list);

struct sks_packet; /* packet.h */

/*
 * The socket to which the kernel would take the packet, whatever leads to it: a connection, every
 * program that is attached there, a listener of the port's own. Our program counts that where it
 * steers or refuses it and ifindex, for which the packet's is not looked at, is that of an
 * interface; of one that is a question's (common/maps.h), the kernel finds none of the sockets that
 * are bound to it by themselves. -ENOENT: none, or the kernel lacks that protocol's diag module.
 */
int sks_diag_find(int netns, const struct sks_packet *packet, uint32_t ifindex,
		  struct sks_held *ret_held);

#define SKS_PREFIX_BROADCAST 2

/*
 * 1 when one route of type local covers the whole prefix, as the namespace's own rules find it for
 * an unmarked packet; SKS_PREFIX_BROADCAST when it is one broadcast address; 0 when neither (two
 * halves are not seen as a whole), or -errno (rtnetlink(7)).
 */
int sks_prefix_is_local(int netns, const struct sks_prefix *prefix);

#endif
