/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the dice of the unit tests: xorshift, so that a seed tells the whole run. */
#ifndef SKSTEER_RANDOM_H
#define SKSTEER_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

static uint64_t random_state;

static inline uint32_t random_u32(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16);
}

static inline uint32_t below(uint32_t n)
{
	return random_u32() % n;
}

static inline bool chance(uint32_t percent)
{
	return below(100) < percent;
}

#endif
