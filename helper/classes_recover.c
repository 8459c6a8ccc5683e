// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns how a helper that starts learns the classes of the table that an earlier one published. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "class.h"

/* An entry of some rule; what came first stays first among equals. */
struct found {
	uint32_t rule;
	size_t order;
	struct sks_entry entry;
};

struct search {
	struct sks_space *space;
	uint32_t *uses; /* by rule */
	struct found *found;
	size_t n, room;
	bool strays; /* the trie has entries of no rule in use */
	int err;
};

static int add(struct search *search, uint32_t rule, const struct sks_prefix *prefix, uint32_t dest)
{
	if (search->n == search->room) {
		size_t room = search->room ? 2 * search->room : 64;
		struct found *more = reallocarray(search->found, room, sizeof(*more));

		if (!more)
			return search->err = -ENOMEM;
		search->found = more;
		search->room = room;
	}
	search->found[search->n] = (struct found){
		.rule = rule,
		.order = search->n,
		.entry = { .prefix = *prefix, .dest = (uint16_t)dest },
	};
	search->n++;
	return 0;
}

static int add_inline(struct search *search, uint32_t index)
{
	const struct sks_rule4 *rule4 = &search->space->maps.rules4[index];
	const struct sks_rule6 *rule6 = &search->space->maps.rules6[index];
	int err = 0;

	for (int i = 0; !err && i < SKS_INLINE_PREFIXES && rule4->dest[i]; i++) {
		struct sks_prefix prefix = { .family = AF_INET, .len = 32 - rule4->rest[i] };
		uint32_t addr = htonl((uint32_t)((uint64_t)rule4->addr[i] << rule4->rest[i]));

		memcpy(prefix.addr, &addr, sizeof(addr));
		err = add(search, index, &prefix, rule4->dest[i]);
	}
	for (int i = 0; !err && i < SKS_INLINE_PREFIXES && rule6->dest[i]; i++) {
		struct sks_prefix prefix = { .family = AF_INET6, .len = rule6->len[i] };

		memcpy(prefix.addr, &rule6->high[i].addr, 8);
		memcpy(prefix.addr + 8, &rule6->low[i].addr, 8);
		err = add(search, index, &prefix, rule6->dest[i]);
	}
	return err;
}

/* What belongs to no rule in use is of a change that never was. */
static bool is_used(void *arg, uint32_t key, const struct sks_prefix *prefix, uint32_t dest)
{
	const struct search *search = arg;
	uint32_t rule = key / 2;

	(void)prefix;
	(void)dest;
	return rule < search->space->maps.entries[SKS_MAP_RULES4] && search->uses[rule];
}

static bool see_trie(void *arg, uint32_t key, const struct sks_prefix *prefix, uint32_t dest)
{
	struct search *search = arg;

	if (!is_used(arg, key, prefix, dest))
		search->strays = true;
	else if (!sks_prefix_is_canonical(prefix) ||
		 (dest != SKS_DEST_GUARD && dest >= search->space->maps.entries[SKS_MAP_DESTS]))
		search->err = -EUCLEAN;
	else
		(void)add(search, key / 2, prefix, dest);
	return true;
}

static void count_uses(struct search *search)
{
	const struct sks_ports *ports = search->space->maps.ports;
	uint32_t n = search->space->maps.entries[SKS_MAP_RULES4];

	for (uint32_t proto = SKS_TCP; proto <= SKS_UDP; proto++) {
		uint32_t star = ports->head.star[sks_star_index(ports->head.epoch, proto)];

		if (star && star <= n)
			search->uses[star - 1]++;
		for (uint32_t port = 0; port < SKS_PORT_NUMBERS; port++) {
			uint32_t value =
				ports->table[sks_table_index(ports->head.epoch, proto, port)];
			uint32_t rule = (value - SKS_TABLE_RULES) * 2 + proto;

			if (value >= SKS_TABLE_RULES && rule < n)
				search->uses[rule]++;
		}
	}
}

static int by_rule_and_prefix(const void *pa, const void *pb)
{
	const struct found *a = pa, *b = pb;

	return (a->rule > b->rule) - (a->rule < b->rule) ?:
	       sks_entry_compare(&a->entry.prefix, &b->entry.prefix) ?:
	       (a->order > b->order) - (a->order < b->order);
}

/* The n entries from at on are one rule's. */
static int make_class(struct search *search, const struct found *at, size_t n)
{
	struct sks_entry *entries = calloc(n, sizeof(*entries));
	uint32_t flags = search->space->maps.rules4[at->rule].flags |
			 search->space->maps.rules6[at->rule].flags;
	struct sks_class init = { .rule = at->rule, .star = flags & SKS_RULE_STAR, .n = n };
	struct sks_class *class = NULL;

	for (size_t i = 0; entries && i < n; i++)
		entries[i] = at[i].entry;
	if (entries)
		class = sks_class_add(search->space->classes, &init, entries);
	free(entries);
	if (!class)
		return -ENOMEM;
	class->uses = search->uses[at->rule];
	class->in_trie = flags & SKS_RULE_TRIE;
	return 0;
}

static int make_classes(struct search *search)
{
	size_t n;
	int err = 0;

	if (search->n)
		qsort(search->found, search->n, sizeof(*search->found), by_rule_and_prefix);
	for (size_t i = 0; !err && i < search->n; i += n) {
		n = 1;
		while (i + n < search->n && search->found[i + n].rule == search->found[i].rule)
			n++;
		err = make_class(search, &search->found[i], n);
	}
	return err;
}

int sks_classes_recover(struct sks_space *space)
{
	struct search search = {
		.space = space,
		.uses = calloc(space->maps.entries[SKS_MAP_RULES4], sizeof(uint32_t)),
	};
	int err = search.uses ? 0 : -ENOMEM;

	space->classes = calloc(1, sizeof(*space->classes));
	if (!space->classes)
		err = -ENOMEM;
	if (!err)
		count_uses(&search);
	for (uint32_t rule = 0; !err && rule < space->maps.entries[SKS_MAP_RULES4]; rule++)
		err = search.uses[rule] ? add_inline(&search, rule) : 0;
	if (!err)
		err = sks_bpf_filter_prefixes(&space->maps, see_trie, &search) ?: search.err;
	if (!err)
		err = make_classes(&search);
	if (!err && search.strays)
		err = sks_bpf_filter_prefixes(&space->maps, is_used, &search);
	/* The other table may hold anything. */
	for (uint32_t proto = SKS_TCP; !err && proto <= SKS_UDP; proto++)
		err = sks_ranges_add(&space->written[proto], 0, SKS_PORT_NUMBERS - 1);
	free(search.uses);
	free(search.found);
	return err;
}
