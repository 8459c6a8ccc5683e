/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how counters (common/maps.h) are added up. */
#ifndef SKSTEER_COUNTER_H
#define SKSTEER_COUNTER_H

#include <stdint.h>

#include "../common/maps.h"

static inline void sks_counter_add(struct sks_counter *sum, const struct sks_counter *one)
{
	sum->steered += one->steered;
	sum->refused += one->refused;
	for (int i = 0; i < SKS_FAILURES; i++)
		sum->errors[i] += one->errors[i];
	if (one->last_errno)
		sum->last_errno = one->last_errno;
}

/* Of whatever reason. */
static inline uint64_t sks_counter_errors(const struct sks_counter *counter)
{
	uint64_t sum = 0;

	for (int i = 0; i < SKS_FAILURES; i++)
		sum += counter->errors[i];
	return sum;
}

#endif
