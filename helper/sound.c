// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns the question whether what lies in a namespace's maps can be what a helper wrote (see
 * sound.h).
 *
 * A number that leads to another record has to be in range in every record, also where that is
 * free: it keeps what it had, and maps never shrink. What a record says beyond that counts only
 * where it is of the current state: one of the next may be half written.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "resolve.h"
#include "sound.h"

struct check {
	const struct sks_maps *maps;
	uint32_t epoch;
	char *why;
	uint8_t services[SKS_MAX_SERVICES]; /* by number: of the current state */
	uint8_t chained[SKS_MAX_SLOTS];	    /* by number: 1 << family of the chains so far */
	uint8_t groups[SKS_MAX_GROUPS];	    /* by number: some destination's */
	uint8_t rules[2 * SKS_MAX_RULES];   /* by index: some port's */
};

__attribute__((format(printf, 2, 3))) static int damaged(const struct check *check,
							 const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(check->why, SKS_SOUND_WHYLEN, format, args);
	va_end(args);
	return -EUCLEAN;
}

static uint32_t entries(const struct check *check, enum sks_map map)
{
	return check->maps->entries[map];
}

/* Maps that share their numbers are as large as each other. */
static int check_sizes(struct check *check)
{
	static const struct {
		enum sks_map a, b;
		uint32_t times;
		const char *names;
	} pairs[] = {
		{ SKS_MAP_RULES4, SKS_MAP_RULES6, 1, "rules4 and rules6" },
		{ SKS_MAP_SLOTS, SKS_MAP_SOCKETS, 1, "slots and sockets" },
		{ SKS_MAP_DESTS, SKS_MAP_HEADS, 2, "dests and heads" },
		{ SKS_MAP_DESTS, SKS_MAP_COUNTERS, 2, "dests and counters" },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		uint32_t a = entries(check, pairs[i].a), b = entries(check, pairs[i].b);

		if (pairs[i].times * a != b)
			return damaged(check, "its maps %s have %u and %u entries", pairs[i].names,
				       a, b);
	}
	if (entries(check, SKS_MAP_RULES4) & 1)
		return damaged(check, "its rules are %u", entries(check, SKS_MAP_RULES4));
	if (check->maps->ports->head.local_first > check->maps->ports->head.local_last)
		return damaged(check, "its ip_local_port_range is none");
	/* One change more, and every record would be of the future. */
	if (check->epoch == UINT32_MAX)
		return damaged(check, "its epoch is the last one");
	return 0;
}

/* What service.c makes of a command and a process id is a label, but for its beginning. */
static bool label_is_sound(const struct sks_service *service)
{
	const char *label = service->label;

	if (!memchr(label, 0, sizeof(service->label)))
		return false;
	if (service->named)
		return sks_label_is_valid(label);
	return label[0] == '@' && label[1 + strspn(label + 1, "-_.0123456789"
							      "abcdefghijklmnopqrstuvwxyz"
							      "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == 0;
}

static int check_services(struct check *check)
{
	for (uint32_t i = 0; i < entries(check, SKS_MAP_SERVICES); i++) {
		const struct sks_service *service = &check->maps->services[i];

		if (!sks_alive(service->born, service->died, check->epoch))
			continue;
		check->services[i] = 1;
		if (service->named > 1 || !label_is_sound(service))
			return damaged(check, "service %u has no label that could be one", i);
	}
	return 0;
}

static bool dest_is_in_range(const struct check *check, const struct sks_dest *dest)
{
	for (unsigned int family = SKS_V4; family <= SKS_V6; family++) {
		if ((dest->slot[family] != SKS_SLOT_PASS &&
		     dest->slot[family] >= entries(check, SKS_MAP_SLOTS)) ||
		    dest->group[family] >= entries(check, SKS_MAP_GROUPS))
			return false;
	}
	return dest->service < entries(check, SKS_MAP_SERVICES) && dest->proto <= SKS_UDP;
}

/* Sockets at one address serve its family alone. */
static bool may_serve(const struct sks_dest *dest, uint32_t families)
{
	uint32_t other = dest->family == AF_INET6 ? SKS_SERVES_V4 : SKS_SERVES_V6;

	return dest->wildcard || !(families & other);
}

static bool dest_is_sound(const struct check *check, const struct sks_dest *dest)
{
	const uint32_t serves = SKS_SERVES_BOTH | SKS_SERVES_AS_V6 | SKS_SERVES_AS_V4;
	uint32_t families = sks_dest_families(dest, check->epoch);
	struct sks_prefix addr = sks_dest_addr(dest);

	return check->services[dest->service] && addr.family != AF_UNSPEC &&
	       sks_prefix_is_canonical(&addr) && dest->wildcard <= 1 &&
	       dest->inherited <= SKS_SERVES_BOTH && !(families & ~serves) &&
	       may_serve(dest, families);
}

/* Chains are each destination's own, so all together are not longer than there are slots. */
static int check_chain(struct check *check, uint32_t number, unsigned int family)
{
	const struct sks_slot *slots = check->maps->slots;
	uint32_t i = check->maps->dests[number].slot[family];

	for (i = i == SKS_SLOT_PASS ? 0 : i; i; i = slots[i].next[family]) {
		if (slots[i].dest != number || check->chained[i] & 1u << family)
			return damaged(check, "slot %u is in a chain of destination %u", i, number);
		check->chained[i] |= (uint8_t)(1u << family);
	}
	return 0;
}

static int check_group(struct check *check, uint32_t number, unsigned int family)
{
	uint32_t group = check->maps->dests[number].group[family];

	if (group && check->groups[group])
		return damaged(check, "group %u is destination %u's and another's", group, number);
	check->groups[group] = 1;
	return 0;
}

/* After the slots, of which chains are made. */
static int check_dests(struct check *check)
{
	int err = 0;

	for (uint32_t i = 0; !err && i < entries(check, SKS_MAP_DESTS); i++) {
		const struct sks_dest *dest = &check->maps->dests[i];

		if (!dest_is_in_range(check, dest))
			return damaged(check, "destination %u leads to what is not there", i);
		if (!sks_alive(dest->born, dest->died, check->epoch))
			continue;
		if (!i || !dest_is_sound(check, dest))
			return damaged(check, "destination %u is none", i);
		for (unsigned int family = SKS_V4; !err && family <= SKS_V6; family++)
			err = check_chain(check, i, family) ?: check_group(check, i, family);
	}
	return err;
}

/* Sockets are not part of the epochs, so what they belong to may not be there. */
static int check_slots(struct check *check)
{
	const uint32_t n = entries(check, SKS_MAP_SLOTS);
	const unsigned int serves = SKS_SERVES_BOTH | SKS_SERVES_AS_V6 | SKS_SERVES_AS_V4;
	const unsigned int flags = SKS_SLOT_FIRST | SKS_SLOT_STANDBY | SKS_SLOT_SHARED |
				   SKS_SLOT_MOVED | SKS_SLOT_ANSWERS | SKS_SLOT_ALONE;

	for (uint32_t i = 0; i < n; i++) {
		const struct sks_slot *slot = &check->maps->slots[i];
		const struct sks_dest *dest;

		if (slot->next[SKS_V4] >= n || slot->next[SKS_V6] >= n ||
		    slot->dest >= entries(check, SKS_MAP_DESTS))
			return damaged(check, "slot %u leads to what is not there", i);
		dest = &check->maps->dests[slot->dest];
		if (slot->cookie && (!i || slot->families & ~serves || slot->flags & ~flags ||
				     (sks_alive(dest->born, dest->died, check->epoch) &&
				      !may_serve(dest, slot->families))))
			return damaged(check, "slot %u is none", i);
	}
	return 0;
}

static int check_groups(struct check *check)
{
	for (uint32_t i = 0; i < entries(check, SKS_MAP_GROUPS); i++) {
		const struct sks_group *group = &check->maps->groups[i];
		uint32_t most = 0;

		for (unsigned int k = 0; k < SKS_GROUP_PLACES; k++)
			most = group->place[k] > most ? group->place[k] : most;
		if (most >= entries(check, SKS_MAP_SLOTS))
			return damaged(check, "group %u has a place for slot %u", i, most);
	}
	return 0;
}

static bool binding_is_sound(const struct check *check, const struct sks_binding *binding)
{
	struct sks_prefix where = sks_binding_prefix(binding), listener = {
		.family = binding->listener_family,
		.len = binding->listener_len,
	};

	memcpy(listener.addr, binding->listener_addr, sizeof(listener.addr));
	return check->services[binding->service] && binding->source >= SKS_FROM_SPEC &&
	       binding->source <= SKS_GUARDED && binding->where <= SKS_WHERE_PREFIX &&
	       (binding->where == SKS_WHERE_PREFIX) == (where.family != AF_UNSPEC) &&
	       binding->first && binding->first <= binding->last && binding->all <= 1 &&
	       sks_prefix_is_canonical(&where) && sks_prefix_is_canonical(&listener);
}

static int check_bindings(struct check *check)
{
	const uint32_t n = entries(check, SKS_MAP_BINDINGS);
	const uint32_t n_services = entries(check, SKS_MAP_SERVICES);

	for (uint32_t i = 0; i < n; i++) {
		const struct sks_binding *binding = &check->maps->bindings[i];

		if (binding->service >= n_services || binding->proto > SKS_UDP)
			return damaged(check, "binding %u leads to what is not there", i);
		if (sks_alive(binding->born, binding->died, check->epoch) &&
		    !binding_is_sound(check, binding))
			return damaged(check, "binding %u is none", i);
	}
	return 0;
}

/* Rules and the table have another destination more, which has no record. */
static bool leads_somewhere(const struct check *check, uint32_t dest)
{
	return dest == SKS_DEST_GUARD || dest < entries(check, SKS_MAP_DESTS);
}

static bool rule4_is_sound(const struct check *check, const struct sks_rule4 *rule)
{
	for (int i = 0; i < SKS_INLINE_PREFIXES && rule->dest[i]; i++) {
		if (!leads_somewhere(check, rule->dest[i]) || rule->rest[i] > 32 ||
		    (uint64_t)rule->addr[i] << rule->rest[i] > UINT32_MAX)
			return false;
	}
	return true;
}

static bool rule6_is_sound(const struct check *check, const struct sks_rule6 *rule)
{
	for (int i = 0; i < SKS_INLINE_PREFIXES && rule->dest[i]; i++) {
		struct sks_prefix prefix = { .family = AF_INET6, .len = rule->len[i] };

		memcpy(prefix.addr, &rule->high[i].addr, 8);
		memcpy(prefix.addr + 8, &rule->low[i].addr, 8);
		if (!leads_somewhere(check, rule->dest[i]) || !sks_prefix_is_canonical(&prefix))
			return false;
	}
	return true;
}

/* One that ports have has an entry: without any it would have no class (classes_recover.c). */
static int check_rule(struct check *check, uint32_t index)
{
	const uint32_t flags = SKS_RULE_STAR | SKS_RULE_DEVICES | SKS_RULE_TRIE;
	const struct sks_rule4 *rule4 = &check->maps->rules4[index];
	const struct sks_rule6 *rule6 = &check->maps->rules6[index];

	if (check->rules[index])
		return 0;
	check->rules[index] = 1;
	if ((!rule4->dest[0] && !rule6->dest[0]) || (rule4->flags | rule6->flags) & ~flags ||
	    !rule4_is_sound(check, rule4) || !rule6_is_sound(check, rule6))
		return damaged(check, "rule %u is none", index);
	return 0;
}

static int check_port(struct check *check, uint32_t proto, uint32_t port, uint32_t value)
{
	uint32_t index = (value - SKS_TABLE_RULES) * 2 + proto;

	if (value < SKS_TABLE_RULES ? value >= entries(check, SKS_MAP_DESTS)
				    : index >= entries(check, SKS_MAP_RULES4))
		return damaged(check, "port %u leads to what is not there", port);
	return value < SKS_TABLE_RULES ? 0 : check_rule(check, index);
}

/* The other one of the two tables may be half written, and is not read. */
static int check_table(struct check *check)
{
	const struct sks_ports *ports = check->maps->ports;
	int err = 0;

	for (uint32_t proto = SKS_TCP; !err && proto <= SKS_UDP; proto++) {
		const uint16_t *table = &ports->table[sks_table_index(check->epoch, proto, 0)];
		uint32_t star = ports->head.star[sks_star_index(check->epoch, proto)], last = 0;

		if (star && (star > entries(check, SKS_MAP_RULES4) || ((star - 1) & 1) != proto))
			return damaged(check, "the rule of all ports is none");
		err = star ? check_rule(check, star - 1) : 0;
		for (uint32_t port = 0; !err && port < SKS_PORT_NUMBERS; port++) {
			if (table[port] == last) /* as most of them */
				continue;
			last = table[port];
			err = check_port(check, proto, port, last);
		}
	}
	return err;
}

int sks_sound(const struct sks_maps *maps, char ret_why[SKS_SOUND_WHYLEN])
{
	struct check check = { .maps = maps, .epoch = sks_epoch(maps), .why = ret_why };

	return check_sizes(&check)
		       ?: check_services(&check)
		       ?: check_slots(&check)
		       ?: check_groups(&check)
		       ?: check_dests(&check)
		       ?: check_bindings(&check)
		       ?: check_table(&check);
}
