/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns what must hold between the helper's memory, the tables and the records of dispatch_test.c
 * after every change, whatever packets get: rules in use are those of the classes, and counted
 * right; heads are the first sockets of their chains; a new helper would learn the same.
 */
#ifndef SKSTEER_DISPATCH_STATE_H
#define SKSTEER_DISPATCH_STATE_H

#include "../../helper/class.h"
#include "dispatch_change.h"

static bool state_wrong(const char *what, uint32_t number)
{
	printf("# state: %s (%u)\n", what, number);
	return false;
}

static uint32_t *state_uses(void)
{
	uint32_t *uses = calloc(2 * SKS_MAX_RULES, sizeof(*uses));
	const struct sks_ports *ports = space->maps.ports;
	uint32_t epoch = sks_epoch(&space->maps);

	need(uses != NULL, "calloc");
	for (uint32_t proto = SKS_TCP; proto <= SKS_UDP; proto++) {
		uint32_t star = ports->head.star[sks_star_index(epoch, proto)];

		if (star)
			uses[star - 1]++;
		for (uint32_t port = 0; port < SKS_PORT_NUMBERS; port++) {
			uint32_t value = ports->table[sks_table_index(epoch, proto, port)];

			if (value >= SKS_TABLE_RULES)
				uses[(value - SKS_TABLE_RULES) * 2 + proto]++;
			else if (value && !space->maps.dests[value].born)
				uses[0] = 1u << 31;
		}
	}
	return uses;
}

static bool state_same_class(const struct sks_class *a, const struct sks_class *b)
{
	return a->hash == b->hash && a->star == b->star && a->n == b->n && a->uses == b->uses &&
	       a->in_trie == b->in_trie &&
	       !memcmp(a->entries, b->entries, a->n * sizeof(*a->entries));
}

/* As the next helper would see them. */
static bool state_classes_recover(void)
{
	struct sks_space *other = malloc(sizeof(*other));
	bool ok = true;

	need(other != NULL, "malloc");
	memcpy(other, space, sizeof(*other));
	memset(other->written, 0, sizeof(other->written));
	need_done(sks_classes_recover(other), "sks_classes_recover");
	for (uint32_t i = 0; ok && i < 2 * SKS_MAX_RULES; i++) {
		const struct sks_class *a = space->classes->by_rule[i],
				       *b = other->classes->by_rule[i];

		if (!a != !b)
			ok = state_wrong(a ? "a class that the next helper misses"
					   : "a class that only the next helper has",
					 i);
		else if (a && !state_same_class(a, b))
			ok = state_wrong("another class for the next helper", i);
	}
	sks_classes_free(other->classes);
	sks_ranges_free(&other->written[0]);
	sks_ranges_free(&other->written[1]);
	free(other);
	return ok;
}

static size_t state_in_trie;
static bool state_count(void *arg, uint32_t rule, const struct sks_prefix *prefix, uint32_t dest)
{
	(void)arg, (void)rule, (void)prefix, (void)dest;
	state_in_trie++;
	return true;
}

static bool state_classes(void)
{
	uint32_t *uses = state_uses();
	size_t wanted = 0;
	bool ok = true;

	if (uses[0] >> 31)
		ok = state_wrong("a port leads to a destination that is none", 0);
	for (uint32_t i = 0; ok && i < 2 * SKS_MAX_RULES; i++) {
		const struct sks_class *class = space->classes->by_rule[i];
		size_t n[2] = {};

		if (class ? class->uses != uses[i] : uses[i]) {
			printf("# rule %u: %u ports, counted %u\n", i, uses[i],
			       class ? class->uses : 0);
			ok = state_wrong("uses", i);
		}
		if (class && (!class->uses || class->touched))
			ok = state_wrong("unused, or touched", i);
		for (size_t k = 0; class && k < class->n; k++) {
			const struct sks_dest *dest = &space->maps.dests[class->entries[k].dest];

			n[class->entries[k].prefix.family == AF_INET6]++;
			if (!sks_alive(dest->born, dest->died, sks_epoch(&space->maps)))
				ok = state_wrong("a rule leads to a destination that is none", i);
		}
		for (int f = 0; f < 2; f++)
			wanted += n[f] > SKS_INLINE_PREFIXES ? n[f] - SKS_INLINE_PREFIXES : 0;
	}
	free(uses);
	state_in_trie = 0;
	need_done(sks_bpf_filter_prefixes(&space->maps, state_count, NULL), "filter");
	if (state_in_trie != wanted)
		ok = state_wrong("entries of the trie", (uint32_t)state_in_trie);
	return ok && state_classes_recover();
}

static bool state_is_silent(uint64_t cookie)
{
	for (unsigned int i = 0; i < M_LISTENERS; i++) {
		const struct m_listener *l = &model.listeners[i];

		for (unsigned int k = 0; k < l->n; k++) {
			if (l->sockets[k].cookie == cookie)
				return l->sockets[k].state == M_SILENT;
		}
	}
	return false;
}

static bool state_head(uint32_t dest_no, uint32_t family)
{
	const struct sks_dest *dest = &space->maps.dests[dest_no];
	uint32_t head = dest_no * 2 + family, slot = dest->slot[family];
	uint64_t cookie = 0, first = 0;
	bool there = !bpf_map_lookup_elem(space->maps.fd[SKS_MAP_HEADS], &head, &cookie);
	bool direct = dest->born && slot && slot != SKS_SLOT_PASS && !dest->ifindex &&
		      !dest->group[family];

	if (!direct)
		return !there || state_wrong("a head of none", head);
	if (sks_bpf_cookie(&space->maps, slot, &first))
		return !there || state_wrong("a head, but the first socket is closed", head);
	if (there && cookie != first)
		return state_wrong("a head that is not the first", head);
	/* One that takes nothing does not come along when its head is copied. */
	if (!there && !space->headless[dest_no] && !state_is_silent(first))
		return state_wrong("no head", head);
	return true;
}

static bool state_chain(uint32_t dest_no, uint32_t family)
{
	const struct sks_dest *dest = &space->maps.dests[dest_no];
	uint32_t n = 0;

	for (uint32_t i = dest->slot[family]; i && i != SKS_SLOT_PASS;
	     i = space->maps.slots[i].next[family]) {
		if (n++ > 1000)
			return state_wrong("a ring", dest_no);
		if (i >= space->n_slots || !space->maps.slots[i].cookie)
			return state_wrong("a chain of nothing", i);
		if (space->maps.slots[i].dest != dest_no)
			return state_wrong("another's slot in a chain", i);
	}
	return true;
}

static bool state_slot(uint32_t i)
{
	const struct sks_slot *slot = &space->maps.slots[i];
	const struct sks_dest *dest = &space->maps.dests[slot->dest];

	if (!slot->cookie)
		return true;
	if (!sks_alive(dest->born, dest->died, sks_epoch(&space->maps)))
		return state_wrong("a socket of no destination", i);
	for (uint32_t family = SKS_V4; family <= SKS_V6; family++) {
		bool found = false;

		if (!(slot->families >> family & 1))
			continue;
		for (uint32_t k = dest->slot[family]; k && k != SKS_SLOT_PASS && !found;
		     k = space->maps.slots[k].next[family])
			found = k == i;
		if (!found)
			return state_wrong("a socket in no chain", i);
	}
	return true;
}

/* Between two changes. */
static bool state_holds(void)
{
	bool ok = state_classes();

	for (uint32_t i = 0; ok && i < space->maps.entries[SKS_MAP_DESTS]; i++) {
		for (uint32_t family = SKS_V4; ok && family <= SKS_V6; family++)
			ok = state_head(i, family) &&
			     (!space->maps.dests[i].born || state_chain(i, family));
	}
	for (uint32_t i = 1; ok && i < space->n_slots; i++)
		ok = state_slot(i);
	return ok;
}

#endif
