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
	bool shared; /* with the current table: the rule stays when this class is discarded */
};

struct sks_classes {
	struct class *classes;
	size_t n, room;
};

struct sks_classes *sks_classes_new(void)
{
	return calloc(1, sizeof(struct sks_classes));
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
	uint32_t covered = 0, served;

	for (size_t i = 0; i < n; i++) {
		if (hops[i].prefix.len || hops[i].dest != hops[0].dest)
			return 0;
		covered |= hops[i].prefix.family == AF_INET6 ? SKS_SERVES_V6 : SKS_SERVES_V4;
	}
	served = sks_dest_families(&space->maps.dests[hops[0].dest], sks_next_epoch(space));
	return (served & SKS_SERVES_BOTH) == covered ? hops[0].dest : 0;
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
		bool bound = space->maps.dests[hop->dest].ifindex != 0;
		unsigned int at = v6 ? n6++ : n4++;

		mask_of(&hop->prefix, mask);
		rule->devices |= bound;
		if (at >= SKS_INLINE_PREFIXES && bound) {
			err = -E2BIG; /* the trie can't go on to the next match */
		} else if (at >= SKS_INLINE_PREFIXES) {
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

static bool rule_used(const struct sks_space *space, uint32_t rule)
{
	return space->used_rules[rule];
}

/*
 * Half of the numbers are for one table: the next one, of another instance or another helper, may
 * need as many beside them.
 */
static int take_rule(struct sks_space *space, const struct sks_classes *classes, uint32_t proto,
		     uint32_t *ret_rule)
{
	uint32_t first = proto * SKS_MAX_RULES, end = first + SKS_MAX_RULES, n = 0;

	for (size_t i = 0; i < classes->n; i++)
		n += classes->classes[i].proto == proto;
	if (n >= SKS_MAX_RULES / 2)
		return -ENOSPC;
	*ret_rule = sks_store_take_number(space, &space->next_rule[proto], first, end,
					  space->freed.rules, rule_used);
	if (*ret_rule == end)
		return -ENOSPC;
	space->used_rules[*ret_rule] = 1;
	return 0;
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
	added->hops = calloc(class->n, sizeof(*class->hops));
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
				  SKS_MAX_RULES / 2);
	added = append(classes, class);
	if (!added) {
		space->used_rules[class->rule] = class->shared;
		return -ENOMEM;
	}
	if (old)
		return 0;
	err = write_rule(space, added);
	if (err == -E2BIG)
		return sks_refuse(
			verdict, -ENOSPC,
			"more than %d prefixes on a port, one of a socket of an interface",
			SKS_INLINE_PREFIXES);
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

static bool is_used(void *arg, uint32_t rule)
{
	const struct sks_space *space = arg;

	return rule / 2 < 2 * SKS_MAX_RULES && space->used_rules[rule / 2];
}

int sks_classes_recover(struct sks_space *space)
{
	const uint16_t *table = space->maps.ports->table;
	uint32_t epoch = sks_epoch(&space->maps);

	for (uint32_t proto = SKS_TCP; proto <= SKS_UDP; proto++) {
		for (uint32_t port = 0; port < SKS_PORT_NUMBERS; port++) {
			uint32_t value = table[sks_table_index(epoch, proto, port)];

			if (value >= SKS_TABLE_RULES && value < SKS_TABLE_RULES + SKS_MAX_RULES)
				space->used_rules[proto * SKS_MAX_RULES + value - SKS_TABLE_RULES] =
					1;
		}
	}
	return sks_bpf_prune_prefixes(&space->maps, is_used, space);
}

/* Only what the new classes use stays used. */
static void free_rules(struct sks_space *space)
{
	for (uint32_t rule = 0; rule < 2 * SKS_MAX_RULES; rule++) {
		if (!space->used_rules[rule] || is_kept(space->classes, rule * 2))
			continue;
		space->used_rules[rule] = 0;
		space->freed.rules[rule] = 1;
	}
}

static bool has_trie(const struct sks_classes *classes)
{
	for (size_t i = 0; classes && i < classes->n; i++) {
		if (classes->classes[i].n > SKS_INLINE_PREFIXES)
			return true;
	}
	return false;
}

void sks_classes_publish(struct sks_space *space, struct sks_classes *classes)
{
	struct sks_classes *old = space->classes;

	space->classes = classes;
	free_rules(space);
	/* Of an earlier helper's table, only the trie itself knows what it used. */
	if (!old || has_trie(old)) {
		sks_store_grace(space);
		(void)sks_bpf_prune_prefixes(&space->maps, is_used, space);
	}
	sks_classes_free(old);
}

void sks_classes_discard(struct sks_space *space, struct sks_classes *classes)
{
	for (size_t i = 0; classes && i < classes->n; i++) {
		if (classes->classes[i].shared)
			continue;
		erase_prefixes(space, &classes->classes[i]);
		space->used_rules[classes->classes[i].rule] = 0;
	}
	sks_classes_free(classes);
}
