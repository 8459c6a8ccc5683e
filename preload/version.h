/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns how threads and processes share a record without a lock that could be left locked: its
 * version is odd while somebody writes. Who meets that waits for what takes nanoseconds; the writer
 * may have lost its processor, or be the very thread that a signal stopped, so nobody waits for
 * ever.
 */
#ifndef SKSTEER_VERSION_H
#define SKSTEER_VERSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../common/raw.h"

#define SKS_VERSION_SPINS 100
#define SKS_VERSION_NAPS  20 /* of 0.1 ms each */

static inline void sks_version_wait(int tries)
{
	if (tries >= SKS_VERSION_SPINS)
		sks_pause_us(100);
}

/*
 * True: the caller writes, until sks_version_end(). *ret_broken: whoever wrote last has not come to
 * the end, and may never, or much later; so each part of the record has to tell whether it is whole.
 */
static inline bool sks_version_begin(_Atomic uint32_t *version, bool *ret_broken)
{
	uint32_t seen = 0;

	*ret_broken = false;
	for (int tries = 0; tries < SKS_VERSION_SPINS + SKS_VERSION_NAPS; tries++) {
		seen = atomic_load_explicit(version, memory_order_relaxed);
		if (!(seen & 1) && atomic_compare_exchange_weak_explicit(version, &seen, seen + 1,
									 memory_order_acquire,
									 memory_order_relaxed)) {
			/* What is written now is not seen before the version is. */
			atomic_thread_fence(memory_order_release);
			return true;
		}
		sks_version_wait(tries);
	}
	*ret_broken = true;
	return seen & 1 && atomic_compare_exchange_strong(version, &seen, seen + 2);
}

static inline void sks_version_end(_Atomic uint32_t *version)
{
	atomic_fetch_add_explicit(version, 1, memory_order_release);
}

/* An even version, after which the record is read; odd: nobody should wait any longer. */
static inline uint32_t sks_version_read(_Atomic uint32_t *version)
{
	uint32_t seen = 1;

	for (int tries = 0; seen & 1 && tries < SKS_VERSION_SPINS + SKS_VERSION_NAPS; tries++) {
		seen = atomic_load_explicit(version, memory_order_acquire);
		if (seen & 1)
			sks_version_wait(tries);
	}
	return seen;
}

/* Is what was read since then whole? */
static inline bool sks_version_holds(_Atomic uint32_t *version, uint32_t seen)
{
	atomic_thread_fence(memory_order_acquire);
	return !(seen & 1) && atomic_load_explicit(version, memory_order_relaxed) == seen;
}

#endif
