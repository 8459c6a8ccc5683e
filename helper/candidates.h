/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns which listeners a binding speaks of, found without looking at everybody else's. */
#ifndef SKSTEER_CANDIDATES_H
#define SKSTEER_CANDIDATES_H

#include <stddef.h>
#include <stdint.h>

#include "store.h"

/* The destinations of a namespace as one epoch has them. */
struct sks_candidates {
	const struct sks_space *space;
	uint32_t epoch;
	uint16_t list[SKS_MAX_DESTS]; /* the answer to the last question */
	/* Private: chains by service, protocol and port, lower numbers first; 0 ends one. */
	uint32_t current[SKS_MAX_SERVICES]; /* the epoch in which its instance came */
	uint32_t n_buckets; /* a power of two: as many as there are destinations, about */
	uint16_t first[SKS_MAX_DESTS], next[SKS_MAX_DESTS];
	/* SKS_SERVES_...: the families that have a socket, and one of the current instance's. */
	uint8_t up[SKS_MAX_DESTS], now[SKS_MAX_DESTS];
};

/* Looks at the destinations of one service, or, where only is NULL, of all. */
void sks_candidates_init(struct sks_candidates *candidates, const struct sks_space *space,
			 uint32_t epoch, const struct sks_service *only);

/*
 * Writes to candidates->list the numbers of those that the binding, which lives in that epoch,
 * speaks of for the family (SKS_V4, SKS_V6), and returns how many. A listener that closed, or moved
 * elsewhere, keeps what it had, so that no stranger gets it; but not from one that is there, nor an
 * earlier instance's from the current one's, but for the places where only that one listens.
 */
size_t sks_candidates_find(struct sks_candidates *candidates, const struct sks_binding *binding,
			   unsigned int family);

/* By SKS_V4 and SKS_V6: AF_INET and AF_INET6. */
extern const uint8_t sks_families[2];

#endif
