/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the question which sockets a namespace has in given states: listeners and their queues,
 * connections, and those that are only being made.
 */
#ifndef SKSTEER_DIAG_CONN_H
#define SKSTEER_DIAG_CONN_H

#include <stddef.h>
#include <stdint.h>

#include "diag.h"

/* As sock_diag(7) has it. */
struct sks_conn {
	uint64_t cookie;
	uint32_t inode; /* 0: no process holds it, as one that waits for accept(2) */
	uint32_t queue; /* a listener: connections that wait for accept(2); UDP: bytes to be read */
	uint16_t local_port, remote_port; /* host order */
	uint8_t family;			  /* AF_INET or AF_INET6 */
	uint8_t state;			  /* TCP_... of <netinet/tcp.h> */
	uint8_t local[16], remote[16];	  /* IPv4 in the first four, the rest 0 */
};

struct sks_conn_list {
	struct sks_conn *conns; /* malloc'd; sks_conns_free() */
	size_t n;
};

/*
 * Every socket of proto (IPPROTO_TCP, IPPROTO_UDP) in one of the states (1 << TCP_...) with its
 * local port in the ranges; with none of them, or more than SKS_DIAG_RANGES, on any port.
 * TCP_SYN_RECV is that of connections for which only a SYN came. No privilege is needed. 0 or
 * -errno, as sks_diag_held().
 */
int sks_diag_conns(int netns, uint8_t proto, uint32_t states, const struct sks_port_range *ranges,
		   size_t n, struct sks_conn_list *ret_list);
void sks_conns_free(struct sks_conn_list *list);

#endif
