/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how much a user has, over all namespaces. */
#ifndef SKSTEER_POLICY_USAGE_H
#define SKSTEER_POLICY_USAGE_H

#include "space.h"

struct sks_usage {
	uint64_t ports; /* of all targets; those of a wide range are one */
	/* Listeners: ports and addresses at which sockets listen, or have listened, alive or not. */
	unsigned int sockets, labels, listeners;
};

/* By how much a range adds to them. */
static inline uint64_t sks_usage_of_range(uint16_t first, uint16_t last)
{
	uint32_t more = (uint32_t)last - first;

	return more >= SKS_RANGE_EXCLUSIVE ? 1 : more + 1;
}

/* Sets what the user has now, and what in the next state; sockets are always now's. 0 or -ENOMEM. */
int sks_usage_count(const struct sks_spaces *spaces, uint32_t uid, struct sks_usage *ret_now,
		    struct sks_usage *ret_next);

#endif
