// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the search for a target among many (see finder.h). */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "finder.h"
#include "resolve.h"

/* Equal where sks_target_equal() says so. */
struct key {
	uint64_t words[3];
};

struct sks_finder {
	struct key *keys;
	uint32_t *first, *next; /* numbers + 1; 0: no more */
	size_t n, buckets;
	/* Nobody's who lists the targets: all in one bucket would keep others waiting for minutes. */
	uint64_t secret[3];
};

static struct key make_key(uint16_t first, uint16_t last, bool udp, uint8_t where,
			   const struct sks_prefix *prefix)
{
	struct key key = {};

	key.words[0] = first | (uint64_t)last << 16 | (uint64_t)udp << 32 | (uint64_t)where << 40 |
		       (uint64_t)prefix->family << 48 | (uint64_t)prefix->len << 56;
	memcpy(&key.words[1], prefix->addr, sizeof(prefix->addr));
	return key;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static size_t bucket_of(const struct sks_finder *finder, const struct key *key)
{
	const uint64_t *secret = finder->secret, *words = key->words;
	uint64_t hash = mix(words[0] ^ secret[0], words[1] ^ secret[1]);

	return mix(hash ^ secret[2], words[2] ^ secret[1]) % finder->buckets;
}

struct sks_finder *sks_finder_new(size_t n)
{
	struct sks_finder *finder = calloc(1, sizeof(*finder));

	if (!finder)
		return NULL;
	finder->buckets = 2 * n + 1;
	memset(finder->secret, 0x9e, sizeof(finder->secret)); /* for want of a better one */
	(void)getrandom(finder->secret, sizeof(finder->secret), GRND_NONBLOCK);
	finder->keys = calloc(n + 1, sizeof(*finder->keys));
	finder->next = calloc(n + 1, sizeof(*finder->next));
	finder->first = calloc(finder->buckets, sizeof(*finder->first));
	if (finder->keys && finder->next && finder->first)
		return finder;
	sks_finder_free(finder);
	return NULL;
}

void sks_finder_free(struct sks_finder *finder)
{
	if (!finder)
		return;
	free(finder->keys);
	free(finder->next);
	free(finder->first);
	free(finder);
}

static size_t find(const struct sks_finder *finder, const struct key *key)
{
	size_t i = finder->first[bucket_of(finder, key)];

	while (i && memcmp(&finder->keys[i - 1], key, sizeof(*key)) != 0)
		i = finder->next[i - 1];
	return i;
}

size_t sks_finder_add(struct sks_finder *finder, const struct sks_target *target)
{
	struct key key = make_key(target->first, target->last, target->proto == IPPROTO_UDP,
				  target->where, &target->where_prefix);
	size_t i = finder->n, same = find(finder, &key);
	uint32_t *first = &finder->first[bucket_of(finder, &key)];

	if (same)
		return same;
	finder->n++;
	finder->keys[i] = key;
	finder->next[i] = *first;
	*first = (uint32_t)(i + 1);
	return 0;
}

size_t sks_finder_find(const struct sks_finder *finder, const struct sks_binding *binding)
{
	struct sks_prefix prefix = sks_binding_prefix(binding);
	struct key key = make_key(binding->first, binding->last, binding->proto == SKS_UDP,
				  binding->where, &prefix);

	return find(finder, &key);
}
