// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns groups: independent sockets that share a destination by weight (see group.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "group.h"

/* A socket's share, in units of which a place has `total`. */
struct member {
	uint32_t slot;
	uint64_t due; /* weight * SKS_GROUP_PLACES */
	uint64_t has; /* places * total */
};

struct shares {
	struct member *members;
	size_t n;
	uint64_t total; /* of the weights */
};

static bool group_used(const struct sks_space *space, uint32_t number)
{
	return space->used_groups[number];
}

/* How many from this one on are of its instance's time: what they replaced has no part in it. */
static size_t chain_length(const struct sks_space *space, uint32_t slot, uint32_t family)
{
	const struct sks_slot *slots = space->maps.slots;
	uint32_t since = slot < space->n_slots ? slots[slot].since : 0;
	size_t n = 0;

	for (; slot && slot < space->n_slots && slots[slot].since == since && n < SKS_MAX_SLOTS;
	     n++)
		slot = slots[slot].next[family];
	return n;
}

/*
 * Of an instance's sockets on one port one stands for all: the kernel spreads over its SO_REUSEPORT
 * group.
 */
static bool is_represented(const struct sks_space *space, const struct shares *shares,
			   uint32_t slot)
{
	static const uint8_t nobody[sizeof(((struct sks_slot *)NULL)->instance)];
	const struct sks_slot *slots = space->maps.slots;

	for (size_t i = 0; i < shares->n; i++) {
		const struct sks_slot *member = &slots[shares->members[i].slot];

		if (member->port == slots[slot].port &&
		    !memcmp(member->instance, slots[slot].instance, sizeof(nobody)))
			return memcmp(slots[slot].instance, nobody, sizeof(nobody)) != 0;
	}
	return false;
}

/* The destination's sockets, which have no place yet. -ENOMEM. */
static int list_members(const struct sks_space *space, const struct sks_dest *dest, uint32_t family,
			struct shares *ret_shares)
{
	uint32_t slot = dest->slot[family] == SKS_SLOT_PASS ? 0 : dest->slot[family];
	size_t length = chain_length(space, slot, family);
	struct shares shares = { .members = calloc(length + 1, sizeof(*shares.members)) };

	if (!shares.members)
		return -ENOMEM;
	for (; length--; slot = space->maps.slots[slot].next[family]) {
		uint32_t weight = space->maps.slots[slot].weight;

		if (is_represented(space, &shares, slot))
			continue;
		shares.members[shares.n++] =
			(struct member){ slot, (uint64_t)weight * SKS_GROUP_PLACES, 0 };
		shares.total += weight;
	}
	*ret_shares = shares;
	return 0;
}

static struct member *find(const struct shares *shares, uint32_t slot)
{
	for (size_t i = 0; i < shares->n; i++) {
		if (shares->members[i].slot == slot)
			return &shares->members[i];
	}
	return NULL;
}

/* Who lacks most, or has most beyond its due. */
static struct member *extreme(const struct shares *shares, bool poorest)
{
	struct member *best = NULL;
	int64_t most = 0;

	for (size_t i = 0; i < shares->n; i++) {
		struct member *member = &shares->members[i];
		int64_t lacks = (int64_t)(member->due - member->has);
		int64_t measure = poorest ? lacks : -lacks;

		if (member->due && (!best || measure > most)) {
			best = member;
			most = measure;
		}
	}
	return best;
}

static void set_place(struct sks_group *group, unsigned int i, uint32_t slot)
{
	__atomic_store_n(&group->place[i], (uint16_t)slot, __ATOMIC_RELEASE);
}

/* Places of sockets that are gone, or whose weight is 0 now, are to be had. */
static void count_places(const struct shares *shares, const struct sks_group *group,
			 uint16_t places[SKS_GROUP_PLACES])
{
	for (unsigned int i = 0; i < SKS_GROUP_PLACES; i++) {
		struct member *member = find(shares, group->place[i]);

		places[i] = member && member->due ? group->place[i] : 0;
		if (places[i])
			member->has += shares->total;
	}
}

/* A place of that socket is to be had: the last one. */
static unsigned int free_place(const struct shares *shares, struct member *member,
			       uint16_t places[SKS_GROUP_PLACES])
{
	unsigned int i = SKS_GROUP_PLACES - 1;

	while (places[i] != member->slot)
		i--;
	places[i] = 0;
	member->has -= shares->total;
	return i;
}

/*
 * No more moves than the weights demand: a place changes hands only where one socket has a whole
 * place too many, or another lacks a whole one.
 */
static void share(const struct shares *shares, uint16_t places[SKS_GROUP_PLACES])
{
	struct member *rich, *poor;

	for (rich = extreme(shares, false); rich->has >= rich->due + shares->total;
	     rich = extreme(shares, false))
		(void)free_place(shares, rich, places);
	for (unsigned int i = 0; i < SKS_GROUP_PLACES; i++) {
		if (places[i])
			continue;
		poor = extreme(shares, true);
		places[i] = (uint16_t)poor->slot;
		poor->has += shares->total;
	}
	for (;;) {
		poor = extreme(shares, true);
		rich = extreme(shares, false);
		if (poor->due < poor->has + shares->total || poor == rich)
			break;
		places[free_place(shares, rich, places)] = (uint16_t)poor->slot;
		poor->has += shares->total;
	}
}

static int fill(const struct sks_space *space, const struct sks_dest *dest, uint32_t family,
		struct sks_group *group)
{
	uint16_t places[SKS_GROUP_PLACES] = {};
	struct shares shares;
	int err = list_members(space, dest, family, &shares);

	if (err)
		return err;
	if (shares.total) {
		count_places(&shares, group, places);
		share(&shares, places);
	}
	for (unsigned int i = 0; i < SKS_GROUP_PLACES; i++) {
		if (group->place[i] != places[i])
			set_place(group, i, places[i]);
	}
	free(shares.members);
	return 0;
}

int sks_group_start(struct sks_space *space, struct sks_dest *dest, uint32_t family)
{
	const struct sks_numbers numbers = {
		.map = SKS_MAP_GROUPS,
		.first = 1,
		.max = SKS_MAX_GROUPS,
		.stride = 1,
		.cursor = &space->next_group,
		.freed = space->freed.groups,
		.used = group_used,
	};
	uint32_t number;
	int err = dest->group[family] ? 0 : sks_store_take_number(space, &numbers, &number);

	if (err || dest->group[family])
		return err;
	memset(&space->maps.groups[number], 0, sizeof(struct sks_group));
	err = fill(space, dest, family, &space->maps.groups[number]);
	if (err)
		return err;
	space->used_groups[number] = 1;
	/* Release: a program that sees the group sees its places. */
	__atomic_store_n(&dest->group[family], (uint16_t)number, __ATOMIC_RELEASE);
	sks_bpf_del_head(&space->maps, (uint32_t)(dest - space->maps.dests) * 2 + family);
	return 0;
}

/* No place of a slot that is free: another service may be the next to have it. */
static void forget_free(const struct sks_space *space, struct sks_group *group)
{
	for (unsigned int i = 0; i < SKS_GROUP_PLACES; i++) {
		if (group->place[i] && !space->maps.slots[group->place[i]].cookie)
			set_place(group, i, 0);
	}
}

void sks_group_update(struct sks_space *space, const struct sks_dest *dest)
{
	for (uint32_t family = SKS_V4; family <= SKS_V6; family++) {
		struct sks_group *group = &space->maps.groups[dest->group[family]];

		/* Without memory the places of the others stay. */
		if (dest->group[family] && fill(space, dest, family, group))
			forget_free(space, group);
	}
}

void sks_groups_recover(struct sks_space *space)
{
	memset(space->used_groups, 0, sizeof(space->used_groups));
	for (uint32_t i = 1; i < space->n_dests; i++) {
		const struct sks_dest *dest = &space->maps.dests[i];

		for (uint32_t family = SKS_V4; dest->born && family <= SKS_V6; family++) {
			if (dest->group[family] && dest->group[family] < SKS_MAX_GROUPS)
				space->used_groups[dest->group[family]] = 1;
		}
	}
}
