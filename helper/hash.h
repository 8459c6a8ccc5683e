/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns FNV-1a, for telling things apart that nobody forges: builds, specs, lists of hops. */
#ifndef SKSTEER_HASH_H
#define SKSTEER_HASH_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t sks_hash(const void *bytes, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
	return hash;
}

#endif
