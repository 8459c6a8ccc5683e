/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the way from records of the next state to its publication: judged, compiled, all or nothing.
 */
#ifndef SKSTEER_CHANGE_H
#define SKSTEER_CHANGE_H

#include <stdbool.h>

#include "diag_reply.h"
#include "resolve.h"
#include "service.h"
#include "socket.h"
#include "space.h"
#include "verdict.h"

#define SKS_WEIGHT 100 /* of a socket of which nothing else is said */

/* A change of one service under way; its records are in the next state already. */
struct sks_change {
	const struct sks_spaces *spaces;
	struct sks_space *space;
	const struct sks_peer *peer;
	int netns; /* borrowed */
	struct sks_service *service;
	/* By number: the services that change, all of one user, service being any; NULL: that one. */
	const uint8_t *among;
	bool dry; /* only whether it would be granted */
	/* The socket that joins, or NULL: */
	const struct sks_socket *socket;
	struct sks_slot slot; /* what is said of it: instance, since, spec, weight, flags */
	struct sks_dest *dest;
	int fd;		   /* borrowed */
	bool takes_over;   /* it comes before what serves its destination now */
	uint32_t promotes; /* the sockets that stand by of this instance (slot.since) serve, or 0 */
	struct sks_reply_list replies; /* which it may leave without a service */
	struct sks_verdict *verdict;
};

/* Is it one of those that change? */
static inline bool sks_changes(const struct sks_change *change, uint16_t service)
{
	return change->among ? change->among[service]
			     : service == sks_service_number(change->space, change->service);
}

/* Judges, compiles and publishes the next state, or forgets it. 0 or the verdict's err. */
int sks_change_finish(struct sks_change *change);

/* Compiles and publishes what the records say, without a judge: after a restart, after an end. */
int sks_change_republish(struct sks_space *space);

/* What a helper does that takes up the namespace of an earlier one, with what has ended since. */
void sks_change_recover(struct sks_space *space);

/*
 * Drops the sockets that have been closed and what ends with them: ephemeral services and, where
 * now_ms (CLOCK_MONOTONIC) is given, destinations that a server has left. Without it, for who waits
 * for an answer, what can be done later is.
 */
void sks_change_sweep(struct sks_space *space, int64_t now_ms);

#endif
