// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns one class of ports: its record in the helper's memory, and its rule in the maps. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "class.h"
#include "hash.h"

#define FIRST_BUCKETS 64

int sks_entry_compare(const struct sks_prefix *a, const struct sks_prefix *b)
{
	return b->len - a->len ?: a->family - b->family ?:
	       memcmp(a->addr, b->addr, sizeof(a->addr));
}

static uint64_t hash_of(const struct sks_class *class, const struct sks_entry *entries)
{
	return sks_hash(entries, class->n * sizeof(*entries)) + class->star * 2u +
	       (class->rule & 1);
}

struct sks_class *sks_class_find(const struct sks_classes *classes, const struct sks_class *wanted,
				 const struct sks_entry *entries)
{
	uint64_t hash = hash_of(wanted, entries);
	struct sks_class *class = classes->n_buckets ? classes->buckets[hash % classes->n_buckets]
						     : NULL;

	for (; class; class = class->next) {
		if (class->hash == hash && class->star == wanted->star && class->n == wanted->n &&
		    (class->rule & 1) == (wanted->rule & 1) &&
		    !memcmp(class->entries, entries, class->n * sizeof(*entries)))
			return class;
	}
	return NULL;
}

static int make_room(struct sks_classes *classes)
{
	size_t n = classes->n_buckets ? 2 * classes->n_buckets : FIRST_BUCKETS;
	struct sks_class **buckets, *class, *next;

	if (classes->n < classes->n_buckets)
		return 0;
	buckets = calloc(n, sizeof(struct sks_class *));
	if (!buckets)
		return classes->n_buckets ? 0 : -ENOMEM; /* longer chains do as well */
	for (size_t i = 0; i < classes->n_buckets; i++) {
		for (class = classes->buckets[i]; class; class = next) {
			next = class->next;
			class->next = buckets[class->hash % n];
			buckets[class->hash % n] = class;
		}
	}
	free(classes->buckets);
	classes->buckets = buckets;
	classes->n_buckets = n;
	return 0;
}

struct sks_class *sks_class_add(struct sks_classes *classes, const struct sks_class *init,
				const struct sks_entry *entries)
{
	struct sks_class *class = NULL, **bucket;

	if (!make_room(classes))
		class = malloc(sizeof(*class) + init->n * sizeof(*entries));
	if (!class)
		return NULL;
	*class = (struct sks_class){
		.hash = hash_of(init, entries),
		.rule = init->rule,
		.star = init->star,
		.n = init->n,
	};
	memcpy(class->entries, entries, init->n * sizeof(*entries));
	bucket = &classes->buckets[class->hash % classes->n_buckets];
	class->next = *bucket;
	*bucket = class;
	classes->by_rule[class->rule] = class;
	classes->n++;
	return class;
}

void sks_class_forget(struct sks_classes *classes, struct sks_class *class)
{
	struct sks_class **at = &classes->buckets[class->hash % classes->n_buckets];

	while (*at != class)
		at = &(*at)->next;
	*at = class->next;
	classes->by_rule[class->rule] = NULL;
	classes->n--;
	free(class);
}

void sks_class_touch(struct sks_classes *classes, struct sks_class *class)
{
	if (class->touched)
		return;
	class->touched = true;
	class->next_touched = classes->touched;
	classes->touched = class;
}

void sks_classes_free(struct sks_classes *classes)
{
	struct sks_class *class, *next;

	if (!classes)
		return;
	for (size_t i = 0; i < classes->n_buckets; i++) {
		for (class = classes->buckets[i]; class; class = next) {
			next = class->next;
			free(class);
		}
	}
	free(classes->buckets);
	free(classes);
}

/* The bits of prefixes of that length, as on the wire. */
static void mask_of(uint8_t len, uint8_t ret_mask[16])
{
	memset(ret_mask, 0, 16);
	for (unsigned int bit = 0; bit < len; bit++)
		ret_mask[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
}

static void write_entry(struct sks_space *space, uint32_t index, const struct sks_entry *entry,
			unsigned int at)
{
	const struct sks_prefix *prefix = &entry->prefix;
	struct sks_rule4 *rule4 = &space->maps.rules4[index];
	struct sks_rule6 *rule6 = &space->maps.rules6[index];
	uint8_t mask[16];
	uint32_t word;

	mask_of(prefix->len, mask);
	if (prefix->family == AF_INET6) {
		rule6->dest[at] = entry->dest;
		rule6->len[at] = prefix->len;
		memcpy(&rule6->high[at].addr, prefix->addr, 8);
		memcpy(&rule6->high[at].mask, mask, 8);
		memcpy(&rule6->low[at].addr, prefix->addr + 8, 8);
		memcpy(&rule6->low[at].mask, mask + 8, 8);
	} else {
		rule4->dest[at] = entry->dest;
		rule4->rest[at] = 32 - prefix->len;
		memcpy(&word, prefix->addr, sizeof(word));
		rule4->addr[at] = (uint32_t)((uint64_t)ntohl(word) >> rule4->rest[at]);
	}
}

/* Entries come longest first, so the inline ones win against what goes into the trie. */
int sks_class_write(struct sks_space *space, struct sks_class *class)
{
	uint32_t flags[2] = { class->star ? SKS_RULE_STAR : 0, class->star ? SKS_RULE_STAR : 0 };
	unsigned int n[2] = {};
	int err = 0;

	memset(&space->maps.rules4[class->rule], 0, sizeof(struct sks_rule4));
	memset(&space->maps.rules6[class->rule], 0, sizeof(struct sks_rule6));
	memset(space->maps.rules4[class->rule].rest, 32, SKS_INLINE_PREFIXES);
	for (size_t i = 0; !err && i < class->n; i++) {
		const struct sks_entry *entry = &class->entries[i];
		uint32_t family = entry->prefix.family == AF_INET6 ? SKS_V6 : SKS_V4;
		bool device = sks_dest_ifindex(space, entry->dest);

		flags[family] |= device ? SKS_RULE_DEVICES : 0;
		if (n[family] < SKS_INLINE_PREFIXES) {
			write_entry(space, class->rule, entry, n[family]++);
			continue;
		}
		if (device)
			return -E2BIG; /* the trie can't go on to the next match */
		flags[family] |= SKS_RULE_TRIE;
		class->in_trie = true;
		err = sks_bpf_put_prefix(&space->maps, class->rule * 2 + family, &entry->prefix,
					 entry->dest);
	}
	space->maps.rules4[class->rule].flags = flags[SKS_V4];
	space->maps.rules6[class->rule].flags = flags[SKS_V6];
	return err;
}

void sks_class_erase(struct sks_space *space, const struct sks_class *class)
{
	unsigned int n[2] = {};

	for (size_t i = 0; class->in_trie && i < class->n; i++) {
		bool v6 = class->entries[i].prefix.family == AF_INET6;

		if (n[v6]++ >= SKS_INLINE_PREFIXES)
			(void)sks_bpf_del_prefix(&space->maps, class->rule * 2 + v6,
						 &class->entries[i].prefix);
	}
}
