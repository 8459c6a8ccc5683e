/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns which claims (struct sks_claim of common/maps.h) routes make, and whose each of them is. */
#ifndef SKSTEER_CLAIM_SET_H
#define SKSTEER_CLAIM_SET_H

#include "resolve.h"

/* What one state says of a claim's key. */
struct sks_claim_side {
	struct sks_claim claim;
	bool made;
	uint32_t width, born; /* of the route that it is of */
};

struct sks_claim_change {
	struct sks_claim_key key;
	struct sks_claim_side now, next;
};

struct sks_claim_set {
	struct sks_claim_change *list; /* malloc'd; free() */
	size_t n, room;
	bool cut; /* there are more than SKS_SPACE_CLAIMS */
};

/*
 * The claims in which two states may differ, sorted by key. The routes are all that touch the ports
 * of the change, in the order in which they were resolved; in both states: whatever is not there
 * does not count. 0 or -ENOMEM.
 */
int sks_claim_set_make(const struct sks_space *space, const struct sks_routes *now,
		       const struct sks_routes *next, struct sks_claim_set *ret_set);
const struct sks_claim_change *sks_claim_set_find(const struct sks_claim_set *set,
						  const struct sks_claim_key *key);

/* That the namespace has claims. */
struct sks_claim_key sks_claim_space_key(const struct sks_space *space);

#endif
