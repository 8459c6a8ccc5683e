/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the helper has to know of a descriptor that it was sent. */
#ifndef SKSTEER_SOCKET_H
#define SKSTEER_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/prefix.h"
#include "verdict.h"

struct sks_socket {
	uint8_t proto;		/* SKS_TCP or SKS_UDP */
	uint8_t families;	/* SKS_SERVES_... */
	struct sks_prefix addr; /* length 0: wildcard; IPv4-mapped as IPv4 */
	uint16_t port;		/* host order; 0: not bound */
	uint16_t bound;		/* to this port instead of the one that was asked for, or 0 */
	uint32_t inode;		/* as /proc/PID/fd shows it */
	uint32_t ifindex;	/* bound to this interface, or 0 */
	uint64_t cookie;
	bool listening; /* TCP */
};

/*
 * Reads the socket; refuses by name whatever can't ever be in a sockmap: other files, other
 * families, MPTCP, connected sockets. fd is borrowed, and neither read nor changed, so a stranger's
 * file runs no code of its own here.
 */
int sks_socket_read(int fd, struct sks_socket *ret_socket, struct sks_verdict *verdict);

/* As the socket will be once it is bound to that address; families follow. */
int sks_socket_plan(struct sks_socket *socket, int fd, uint16_t family, const uint8_t addr[16],
		    uint16_t port, struct sks_verdict *verdict);

/* A TCP socket that listens, or a bound UDP socket: else refused with what is missing. */
int sks_socket_ready(const struct sks_socket *socket, struct sks_verdict *verdict);

/* Closes a stranger's descriptor without waiting for data that it may still have to send. */
void sks_socket_close(int fd);
/* As sks_wire_recv() with MSG_DONTWAIT, but what is not kept is closed in that way. */
int sks_socket_receive(int conn, void *buf, size_t size, int *ret_fd);

#endif
