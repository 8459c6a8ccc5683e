// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns classes of ports and the rules that the dispatcher has for them (see classes.h). */
#include <errno.h>

#include "class.h"
#include "classes.h"

/* The one destination that these entries give every packet of every family that it serves, or 0. */
static uint16_t any_address(const struct sks_space *space, const struct sks_entry *entries,
			    size_t n)
{
	uint32_t covered = 0, served;

	for (size_t i = 0; i < n; i++) {
		if (entries[i].prefix.len || entries[i].dest != entries[0].dest ||
		    entries[i].dest == SKS_DEST_GUARD)
			return 0;
		covered |= entries[i].prefix.family == AF_INET6 ? SKS_SERVES_V6 : SKS_SERVES_V4;
	}
	served = sks_dest_families(&space->maps.dests[entries[0].dest], sks_next_epoch(space));
	return (served & SKS_SERVES_BOTH) == covered ? entries[0].dest : 0;
}

static bool tcp_used(const struct sks_space *space, uint32_t number)
{
	return space->classes->by_rule[number * 2 + SKS_TCP];
}

static bool udp_used(const struct sks_space *space, uint32_t number)
{
	return space->classes->by_rule[number * 2 + SKS_UDP];
}

static int take_rule(struct sks_space *space, uint32_t proto, uint32_t *ret_rule)
{
	const struct sks_numbers numbers = {
		.map = SKS_MAP_RULES4,
		.max = SKS_MAX_RULES,
		.stride = 2,
		.cursor = &space->next_rule[proto],
		.freed = space->freed.rules[proto],
		.used = proto == SKS_TCP ? tcp_used : udp_used,
	};
	uint32_t number;
	int err = sks_store_take_number(space, &numbers, &number);

	if (!err)
		*ret_rule = number * 2 + proto;
	return err;
}

static int refuse(struct sks_verdict *verdict, int err)
{
	if (err == -E2BIG)
		return sks_refuse(
			verdict, -ENOSPC,
			"more than %d prefixes on a port, one of a socket of an interface",
			SKS_INLINE_PREFIXES);
	if (err == -ENOMEM && !*sks_bpf_why())
		return err;
	return sks_refuse_room(verdict, err, "different sets of prefixes on ports", SKS_MAX_RULES);
}

/* The class of these entries, made where there is none. */
static int get(struct sks_space *space, uint32_t proto, const struct sks_entry *entries, size_t n,
	       bool star, struct sks_verdict *verdict, struct sks_class **ret_class)
{
	struct sks_class wanted = { .rule = proto, .star = star, .n = n };
	struct sks_class *class = sks_class_find(space->classes, &wanted, entries);
	int err = 0;

	if (class) {
		*ret_class = class;
		return 0;
	}
	err = take_rule(space, proto, &wanted.rule);
	if (err)
		return refuse(verdict, err);
	class = sks_class_add(space->classes, &wanted, entries);
	if (!class)
		return -ENOMEM;
	sks_class_touch(space->classes, class);
	err = sks_class_write(space, class);
	if (err)
		return refuse(verdict, err);
	*ret_class = class;
	return 0;
}

int sks_class_value(struct sks_space *space, uint32_t proto, const struct sks_entry *entries,
		    size_t n, bool star, struct sks_verdict *verdict)
{
	uint16_t dest = n && !star ? any_address(space, entries, n) : 0;
	struct sks_class *class = NULL;
	int err;

	if (dest || !n)
		return dest;
	err = get(space, proto, entries, n, star, verdict, &class);
	return class ? (int)(SKS_TABLE_RULES + class->rule / 2) : err;
}

int sks_class_star(struct sks_space *space, uint32_t proto, const struct sks_entry *entries,
		   size_t n, struct sks_verdict *verdict)
{
	struct sks_class *class = NULL;
	int err = n ? get(space, proto, entries, n, false, verdict, &class) : 0;

	return err ?: class ? (int)class->rule + 1 : 0;
}

static void use(struct sks_space *space, uint32_t rule, int uses)
{
	struct sks_class *class = space->classes->by_rule[rule];

	class->uses += (uint32_t)uses;
	if (!class->uses)
		sks_class_touch(space->classes, class);
}

void sks_class_use(struct sks_space *space, uint32_t proto, uint16_t value, int ports)
{
	if (value >= SKS_TABLE_RULES)
		use(space, (value - SKS_TABLE_RULES) * 2 + proto, ports);
}

void sks_class_use_star(struct sks_space *space, uint32_t star, int uses)
{
	if (star)
		use(space, star - 1, uses);
}

void sks_classes_settle(struct sks_space *space, bool published)
{
	struct sks_classes *classes = space->classes;
	struct sks_class *class, *next;
	bool follows = false;

	for (class = classes->touched; class; class = class->next_touched)
		follows |= !class->uses && class->in_trie;
	if (follows && published)
		sks_store_grace(space);
	for (class = classes->touched; class; class = next) {
		next = class->next_touched;
		class->touched = false;
		if (class->uses)
			continue;
		sks_class_erase(space, class);
		space->freed.rules[class->rule & 1][class->rule / 2] |= published;
		sks_class_forget(classes, class);
	}
	classes->touched = NULL;
}
