/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the connections: who gets one, how long it may be silent, and who makes room when there are
 * too many. None is kept beyond its one request.
 */
#ifndef SKSTEER_CONNS_H
#define SKSTEER_CONNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "peer.h"

struct sks_conn {
	struct sks_peer peer;
	int64_t deadline; /* ms: without a request until then it is dropped */
	int fd;		  /* -1: none */
	uint32_t owner;	  /* of the peer's uid, as subids.h has it */
	uint32_t payer;	  /* sks_conn_payer() */
	bool knows_payer;
};

void sks_conns_init(void);
size_t sks_conns_count(void);

/*
 * accept4(2) on a non-blocking listener. -errno when nobody waits; 0 with the connection, greeted,
 * or with NULL: it was turned away.
 */
int sks_conns_accept(int listener, int64_t now, struct sks_conn **ret_conn);

/* Who pays for the time that its request takes. */
uint32_t sks_conn_payer(struct sks_conn *conn);

void sks_conn_drop(struct sks_conn *conn);

/* Those whose deadline has come. */
void sks_conns_expire(int64_t now);
/* The next deadline, or INT64_MAX. */
int64_t sks_conns_deadline(void);

#endif
