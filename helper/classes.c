// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns classes of ports and the rules that the dispatcher has for them. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "classes.h"
#include "hash.h"

struct class
{
	uint32_t proto;
	uint32_t rule; /* proto * SKS_MAX_RULES + number */
	uint64_t hash;
	struct sks_hop *hops;
	size_t n;
	bool shared; /* the current table uses this rule too, so it stays when this one is discarded
		      */
};

struct sks_classes {
	struct class *classes;
	size_t n, room;
	uint8_t taken[2 * SKS_MAX_RULES]; /* by the current table or by this one */
};

static void take_current(const struct sks_space *space, struct sks_classes *classes)
{
	const uint16_t *table = space->maps.ports->table;
	uint32_t epoch = sks_epoch(&space->maps);

	for (uint32_t proto = SKS_TCP; proto <= SKS_UDP; proto++) {
		for (uint32_t port = 0; port < SKS_PORT_NUMBERS; port++) {
			uint32_t value = table[sks_table_index(epoch, proto, port)];

			if (value >= SKS_TABLE_RULES && value < SKS_TABLE_RULES + SKS_MAX_RULES)
				classes->taken[proto * SKS_MAX_RULES + value - SKS_TABLE_RULES] = 1;
		}
	}
}

struct sks_classes *sks_classes_new(const struct sks_space *space)
{
	struct sks_classes *classes = calloc(1, sizeof(*classes));

	if (classes)
		take_current(space, classes);
	return classes;
}

void sks_classes_free(struct sks_classes *classes)
{
	if (!classes)
		return;
	for (size_t i = 0; i < classes->n; i++)
		free(classes->classes[i].hops);
	free(classes->classes);
	free(classes);
}

static const struct class *find(const struct sks_classes *classes, uint32_t proto, uint64_t hash,
				const struct sks_hop *hops, size_t n)
{
	for (size_t i = 0; classes && i < classes->n; i++) {
		const struct class *class = &classes->classes[i];

		if (class->hash == hash && class->proto == proto && class->n == n &&
		    !memcmp(class->hops, hops, n * sizeof(*hops)))
			return class;
	}
	return NULL;
}

/* The one destination that these hops give every packet of every family that it serves, or 0. */
static uint16_t any_address(const struct sks_space *space, const struct sks_hop *hops, size_t n)
{
	uint8_t covered = 0;

	for (size_t i = 0; i < n; i++) {
		if (hops[i].prefix.len || hops[i].dest != hops[0].dest)
			return 0;
		covered |= (uint8_t)(1u << (hops[i].prefix.family == AF_INET6 ? SKS_V6 : SKS_V4));
	}
	return space->maps.dests[hops[0].dest].families == covered ? hops[0].dest : 0;
}

static void mask_of(const struct sks_prefix *prefix, uint32_t ret_mask[4])
{
	uint8_t bytes[16] = {};

	for (unsigned int bit = 0; bit < prefix->len; bit++)
		bytes[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
	memcpy(ret_mask, bytes, sizeof(bytes));
}

static void clear_rule(struct sks_rule *rule)
{
	memset(rule, 0, sizeof(*rule));
	for (int i = 0; i < SKS_INLINE_PREFIXES; i++)
		rule->v4[i].addr = rule->v6[i].addr[0] = 0xffffffffu; /* matches nothing */
}

/* Hops come longest first, so the inline ones win against what goes into the trie. */
static int write_rule(struct sks_space *space, const struct class *class)
{
	struct sks_rule *rule = &space->maps.rules[class->rule];
	unsigned int n4 = 0, n6 = 0;
	uint32_t mask[4];
	int err = 0;

	clear_rule(rule);
	for (size_t i = 0; !err && i < class->n; i++) {
		const struct sks_hop *hop = &class->hops[i];
		bool v6 = hop->prefix.family == AF_INET6;
		unsigned int at = v6 ? n6++ : n4++;

		mask_of(&hop->prefix, mask);
		if (at >= SKS_INLINE_PREFIXES) {
			*(v6 ? &rule->trie6 : &rule->trie4) = 1;
			err = sks_bpf_put_prefix(&space->maps, class->rule * 2 + v6, &hop->prefix,
						 hop->dest);
		} else if (v6) {
			memcpy(rule->v6[at].addr, hop->prefix.addr, sizeof(rule->v6[at].addr));
			memcpy(rule->v6[at].mask, mask, sizeof(mask));
			rule->v6[at].dest = hop->dest;
		} else {
			memcpy(&rule->v4[at].addr, hop->prefix.addr, sizeof(rule->v4[at].addr));
			rule->v4[at].mask = mask[0];
			rule->v4[at].dest = hop->dest;
		}
	}
	return err;
}

static void erase_prefixes(struct sks_space *space, const struct class *class)
{
	unsigned int n[2] = {};

	for (size_t i = 0; i < class->n; i++) {
		const struct sks_hop *hop = &class->hops[i];
		bool v6 = hop->prefix.family == AF_INET6;

		if (n[v6]++ >= SKS_INLINE_PREFIXES)
			(void)sks_bpf_del_prefix(&space->maps, class->rule * 2 + v6, &hop->prefix);
	}
}

/* Numbers are used in turn, as those of destinations are (store.h). */
static int take_rule(struct sks_space *space, struct sks_classes *classes, uint32_t proto,
		     uint32_t *ret_rule)
{
	uint32_t *next = &space->next_rule[proto];

	for (uint32_t tried = 0; tried < SKS_MAX_RULES; tried++) {
		uint32_t rule = proto * SKS_MAX_RULES + *next;

		*next = (*next + 1) % SKS_MAX_RULES;
		if (!*next)
			sks_store_grace();
		if (classes->taken[rule])
			continue;
		*ret_rule = rule;
		classes->taken[rule] = 1;
		return 0;
	}
	return -ENOSPC;
}

/* A copy of the class, appended; NULL: out of memory. */
static struct class *append(struct sks_classes *classes, const struct class *class)
{
	struct class *added;

	if (classes->n == classes->room) {
		size_t room = classes->room ? 2 * classes->room : 16;
		struct class *more = reallocarray(classes->classes, room, sizeof(*more));

		if (!more)
			return NULL;
		classes->classes = more;
		classes->room = room;
	}
	added = &classes->classes[classes->n];
	*added = *class;
	added->hops = malloc(class->n * sizeof(*class->hops));
	if (!added->hops)
		return NULL;
	memcpy(added->hops, class->hops, class->n * sizeof(*class->hops));
	classes->n++;
	return added;
}

static int add_class(struct sks_space *space, struct sks_classes *classes, struct class *class,
		     struct sks_verdict *verdict)
{
	const struct class *old =
		find(space->classes, class->proto, class->hash, class->hops, class->n);
	struct class *added;
	int err;

	class->shared = old != NULL;
	class->rule = old ? old->rule : 0;
	if (!old && take_rule(space, classes, class->proto, &class->rule))
		return sks_refuse(verdict, -ENOSPC,
				  "this namespace has no room for more rules (%u a protocol)",
				  SKS_MAX_RULES);
	added = append(classes, class);
	if (!added)
		return -ENOMEM;
	if (old)
		return 0;
	err = write_rule(space, added);
	if (err)
		return sks_refuse(verdict, err, "this namespace has no room for more prefixes (%u)",
				  SKS_MAX_PREFIXES);
	return 0;
}

int sks_class_value(struct sks_space *space, struct sks_classes *classes, uint32_t proto,
		    const struct sks_hop *hops, size_t n, struct sks_verdict *verdict)
{
	struct class class = { .proto = proto, .hops = (struct sks_hop *)hops, .n = n };
	const struct class *found;
	uint16_t dest;
	int err;

	if (!n)
		return 0;
	dest = any_address(space, hops, n);
	if (dest)
		return dest;
	class.hash = sks_hash(hops, n * sizeof(*hops));
	found = find(classes, proto, class.hash, hops, n);
	if (!found) {
		err = add_class(space, classes, &class, verdict);
		if (err)
			return err;
		found = &classes->classes[classes->n - 1];
	}
	return (int)(SKS_TABLE_RULES + found->rule - proto * SKS_MAX_RULES);
}

static bool is_kept(void *arg, uint32_t rule)
{
	const struct sks_classes *classes = arg;

	for (size_t i = 0; i < classes->n; i++) {
		if (classes->classes[i].rule == rule / 2)
			return true;
	}
	return false;
}

static bool is_taken(void *arg, uint32_t rule)
{
	const struct sks_classes *classes = arg;

	return rule / 2 < 2 * SKS_MAX_RULES && classes->taken[rule / 2];
}

int sks_classes_recover(struct sks_space *space)
{
	struct sks_classes *current = sks_classes_new(space);
	int err;

	if (!current)
		return -ENOMEM;
	err = sks_bpf_prune_prefixes(&space->maps, is_taken, current);
	sks_classes_free(current);
	return err;
}

void sks_classes_publish(struct sks_space *space, struct sks_classes *classes)
{
	struct sks_classes *old = space->classes;

	space->classes = classes;
	if (!old) { /* an earlier helper's table: only the trie itself knows what it used */
		sks_store_grace();
		(void)sks_bpf_prune_prefixes(&space->maps, is_kept, classes);
	}
	for (size_t i = 0; old && i < old->n; i++) {
		const struct class *class = &old->classes[i];

		if (class->n > SKS_INLINE_PREFIXES && !is_kept(classes, class->rule * 2)) {
			sks_store_grace();
			erase_prefixes(space, class);
		}
	}
	sks_classes_free(old);
}

void sks_classes_discard(struct sks_space *space, struct sks_classes *classes)
{
	for (size_t i = 0; classes && i < classes->n; i++) {
		if (!classes->classes[i].shared)
			erase_prefixes(space, &classes->classes[i]);
	}
	sks_classes_free(classes);
}
