/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the whole spec: its targets in an array, each once and for one listener. */
#include "spec.h"

#include <errno.h>

/*
 * Without a where, two listeners at different addresses open different targets; a listener without
 * an address may be any of them.
 */
static bool is_same_place(const struct sks_target *a, const struct sks_target *b)
{
	return a->where != SKS_WHERE_LISTENER || a->listener_addr.family == AF_UNSPEC ||
	       b->listener_addr.family == AF_UNSPEC ||
	       sks_prefix_equal(&a->listener_addr, &b->listener_addr);
}

#define SEEN_SIZE (2 * SKS_SPEC_TARGETS) /* never more than half full; a power of two */

/* FNV-1a. Whoever makes them collide gets the time of a plain search: 7 ms for a 16 KiB spec. */
static uint32_t hash_target(const struct sks_target *t)
{
	const uint32_t ports = (uint32_t)t->first << 16 | t->last;
	uint32_t hash = (2166136261u ^ ports) * 16777619u;

	hash = (hash ^ t->proto ^ (uint32_t)t->where << 8) * 16777619u;
	for (size_t i = 0; i < sizeof(t->where_prefix.addr); i++)
		hash = (hash ^ t->where_prefix.addr[i]) * 16777619u;
	return hash ^ hash >> 16;
}

/*
 * Looks for t among the targets that seen[] numbers from 1 on. 0: it is new, and *ret_slot is where
 * it belongs; -EEXIST: it is there, of the same listener; -EBUSY: of another one.
 */
static int look_up(const struct sks_target *targets, const uint16_t *seen,
		   const struct sks_target *t, uint32_t *ret_slot)
{
	uint32_t slot = hash_target(t) % SEEN_SIZE;

	for (; seen[slot]; slot = (slot + 1) % SEEN_SIZE) {
		const struct sks_target *other = &targets[seen[slot] - 1];

		if (!sks_target_equal(t, other) || !is_same_place(t, other))
			continue;
		if (t->listener_port == other->listener_port &&
		    sks_prefix_equal(&t->listener_addr, &other->listener_addr))
			return -EEXIST;
		return -EBUSY;
	}
	*ret_slot = slot;
	return 0;
}

int sks_spec_parse(const char *text, size_t len, struct sks_target *ret_targets, size_t max,
		   size_t *ret_n, struct sks_spec_error *ret_error)
{
	struct sks_spec_cursor c = { .text = text, .len = len };
	uint16_t seen[SEEN_SIZE] = { 0 };
	struct sks_target target;
	uint32_t slot;
	size_t n = 0;
	int r;

	while ((r = sks_spec_next(&c, &target, ret_error)) > 0) {
		r = look_up(ret_targets, seen, &target, &slot);
		if (r == -EEXIST)
			continue;
		if (r == -EBUSY)
			return sks_spec_refuse(
				&c, "an earlier clause gives this to another listener", ret_error);
		if (n == max) {
			sks_spec_refuse(&c, "there is no room for so many targets", ret_error);
			return -E2BIG;
		}
		ret_targets[n++] = target;
		seen[slot] = (uint16_t)n;
	}
	if (r == 0)
		*ret_n = n;
	return r;
}
