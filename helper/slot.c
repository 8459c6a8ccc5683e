// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns registered sockets: the slots, the sockmap, and the chains (see slot.h). */
#include <errno.h>

#include "slot.h"

static bool slot_used(const struct sks_space *space, uint32_t number)
{
	return space->maps.slots[number].cookie;
}

int sks_slot_take(struct sks_space *space, const struct sks_dest *dest, int sock,
		  const struct sks_slot *init, uint32_t *ret_slot)
{
	uint32_t i = sks_store_take_number(space, &space->next_slot, 1, SKS_MAX_SLOTS,
					   space->freed.slots, slot_used);
	struct sks_slot *slot = &space->maps.slots[i];
	int err;

	if (i == SKS_MAX_SLOTS)
		return -ENOSPC;
	*slot = *init;
	slot->cookie = 0;
	slot->dest = (uint16_t)(dest - space->maps.dests);
	err = sks_bpf_put_socket(&space->maps, i, sock);
	if (err)
		return err;
	/* The cookie says that the slot is used; without it the next helper empties the slot. */
	__atomic_store_n(&slot->cookie, init->cookie, __ATOMIC_RELEASE);
	if (i >= space->n_slots)
		space->n_slots = i + 1;
	*ret_slot = i;
	return 0;
}

void sks_slot_link(struct sks_space *space, uint32_t i, uint32_t families)
{
	struct sks_slot *slot = &space->maps.slots[i];
	struct sks_dest *dest = &space->maps.dests[slot->dest];

	for (unsigned int family = SKS_V4; family <= SKS_V6; family++) {
		uint32_t *head = &dest->slot[family];

		if (!(slot->families & families & 1u << family))
			continue;
		slot->next[family] = *head == SKS_SLOT_PASS ? 0 : *head;
		/* Release: a program that sees the slot sees what follows it. */
		__atomic_store_n(head, i, __ATOMIC_RELEASE);
	}
}

/* The place in the chain that says slot i is next, or NULL. */
static uint32_t *find_link(const struct sks_space *space, uint32_t i, unsigned int family)
{
	struct sks_slot *slots = space->maps.slots;
	uint32_t *at = &space->maps.dests[slots[i].dest].slot[family];

	for (uint32_t n = 0; n < SKS_MAX_SLOTS && *at && *at < SKS_MAX_SLOTS; n++) {
		if (*at == i)
			return at;
		at = &slots[*at].next[family];
	}
	return NULL;
}

void sks_slot_drop(struct sks_space *space, uint32_t i)
{
	struct sks_slot *slot = &space->maps.slots[i];

	for (unsigned int family = SKS_V4; family <= SKS_V6; family++) {
		uint32_t *at = find_link(space, i, family);

		if (at)
			__atomic_store_n(at, slot->next[family], __ATOMIC_RELEASE);
	}
	(void)sks_bpf_del_socket(&space->maps, i);
	space->freed.slots[i] = 1;
	__atomic_store_n(&slot->cookie, 0, __ATOMIC_RELEASE);
}

bool sks_slot_lives(const struct sks_maps *maps, uint32_t i)
{
	uint64_t cookie;

	return maps->slots[i].cookie && !sks_bpf_cookie(maps, i, &cookie) &&
	       cookie == maps->slots[i].cookie;
}

uint32_t sks_slot_find(const struct sks_space *space, uint64_t cookie)
{
	for (uint32_t i = 1; i < space->n_slots; i++) {
		if (space->maps.slots[i].cookie == cookie)
			return i;
	}
	return 0;
}

unsigned int sks_slots_sweep(struct sks_space *space)
{
	unsigned int gone = 0;

	for (uint32_t i = 1; i < space->n_slots; i++) {
		if (!space->maps.slots[i].cookie || sks_slot_lives(&space->maps, i))
			continue;
		sks_slot_drop(space, i);
		gone++;
	}
	return gone;
}

/* A socket in the map without a record, or a record without a socket, a destination or a chain. */
static void recover(struct sks_space *space, uint32_t i)
{
	struct sks_slot *slot = &space->maps.slots[i];
	uint32_t epoch = sks_epoch(&space->maps);
	const struct sks_dest *dest;

	if (!slot->cookie) {
		(void)sks_bpf_del_socket(&space->maps, i);
		return;
	}
	dest = &space->maps.dests[slot->dest < SKS_MAX_DESTS ? slot->dest : 0];
	if (!sks_alive(dest->born, dest->died, epoch) || !sks_slot_lives(&space->maps, i)) {
		sks_slot_drop(space, i);
		return;
	}
	for (unsigned int family = SKS_V4; family <= SKS_V6; family++) {
		if (sks_dest_families(dest, epoch) & 1u << family && !find_link(space, i, family))
			sks_slot_link(space, i, 1u << family);
	}
}

void sks_slots_recover(struct sks_space *space)
{
	space->n_slots = SKS_MAX_SLOTS;
	for (uint32_t i = 1; i < SKS_MAX_SLOTS; i++)
		recover(space, i);
	while (space->n_slots && !space->maps.slots[space->n_slots - 1].cookie)
		space->n_slots--;
}
