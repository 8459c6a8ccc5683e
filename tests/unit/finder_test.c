/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the test of the search for a target among many, as TAP: it finds what is there and nothing
 * else, and who chooses the targets can't choose that all are looked through for each. It looks
 * inside: how long that takes is no test.
 *
 * Usage: finder_test
 */
#include "../../helper/finder.c"
#include "tap.h"

#define MANY 2000 /* targets */
#define FEW  20	  /* of them by chance in one bucket: more than ever */

static struct sks_target target_of(uint16_t first, uint16_t last)
{
	return (struct sks_target){
		.proto = IPPROTO_TCP,
		.first = first,
		.last = last,
		.where = SKS_WHERE_ANY,
	};
}

static struct key key_of(const struct sks_target *target)
{
	return make_key(target->first, target->last, false, target->where, &target->where_prefix);
}

/* So many ranges that one finder has in one bucket, as somebody might list who knows it. */
static void choose(const struct sks_finder *finder, struct sks_target targets[MANY])
{
	size_t n = 0;

	for (uint32_t first = 1; n < MANY && first < SKS_PORT_NUMBERS; first++) {
		for (uint32_t last = first; n < MANY && last < SKS_PORT_NUMBERS; last++) {
			struct sks_target target = target_of((uint16_t)first, (uint16_t)last);
			struct key key = key_of(&target);

			if (bucket_of(finder, &key) == 1)
				targets[n++] = target;
		}
	}
	need(n == MANY, "so many ranges");
}

/* The most of them that are in one bucket. */
static size_t fullest(const struct sks_finder *finder)
{
	size_t most = 0;

	for (size_t i = 0; i < finder->buckets; i++) {
		size_t n = 0;

		for (uint32_t at = finder->first[i]; at; at = finder->next[at - 1])
			n++;
		most = n > most ? n : most;
	}
	return most;
}

static void test_chosen(void)
{
	static struct sks_target targets[MANY];
	struct sks_finder *one = sks_finder_new(MANY), *other = sks_finder_new(MANY);
	size_t found = 0;

	need(one && other, "sks_finder_new");
	choose(one, targets);
	for (size_t i = 0; i < MANY; i++)
		found += sks_finder_add(other, &targets[i]) != 0;
	tap_check(!found, "none of %d different targets is taken for another one", MANY);
	for (size_t i = 0; i < MANY; i++)
		found += sks_finder_add(other, &targets[i]) == i + 1;
	tap_check(found == MANY, "each is found again: %zu", found);
	tap_check(fullest(other) < FEW,
		  "what one finder has in one bucket is spread in another: %zu in one",
		  fullest(other));
	sks_finder_free(one);
	sks_finder_free(other);
}

int main(void)
{
	test_chosen();
	return tap_done();
}
