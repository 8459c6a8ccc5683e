// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns registered sockets: the slots, the sockmap, and the chains (see slot.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "events.h"
#include "group.h"
#include "slot.h"
#include "stranger.h"

/* Sockets that are asked for one by one: that costs less than to load a program for them. */
#define FEW 8u

static bool slot_used(const struct sks_space *space, uint32_t number)
{
	return space->maps.slots[number].cookie;
}

/* Another sockmap, in which nothing comes late any more. Tried again until it is done. */
static int renew(struct sks_space *space)
{
	int err = space->late ? sks_bpf_renew_sockets(space->dir, &space->maps) : 0;

	if (!err)
		space->late = false;
	return err;
}

int sks_slot_take(struct sks_space *space, const struct sks_dest *dest, int sock,
		  const struct sks_slot *init, uint32_t *ret_slot)
{
	const struct sks_numbers numbers = {
		.map = SKS_MAP_SLOTS,
		.first = 1,
		.max = SKS_MAX_SLOTS,
		.stride = 1,
		.cursor = &space->next_slot,
		.freed = space->freed.slots,
		.used = slot_used,
	};
	struct sks_slot *slot;
	uint32_t i;
	int err = renew(space) ?: sks_store_take_number(space, &numbers, &i);

	if (err)
		return err;
	slot = &space->maps.slots[i];
	*slot = *init;
	slot->cookie = 0;
	space->tokens[i] = 0;
	slot->dest = (uint16_t)(dest - space->maps.dests);
	err = sks_stranger_put(&space->maps, i, sock);
	/* It may come there later still, when another one is to be there. */
	if (err == -ETIMEDOUT) {
		space->late = true;
		(void)renew(space);
	}
	if (err)
		return err;
	/* The cookie says that the slot is used; without it the next helper empties the slot. */
	__atomic_store_n(&slot->cookie, init->cookie, __ATOMIC_RELEASE);
	if (i >= space->n_slots)
		space->n_slots = i + 1;
	sks_store_mark(space, dest->service);
	*ret_slot = i;
	return 0;
}

static uint32_t head_of(const struct sks_space *space, const struct sks_dest *dest, uint32_t family)
{
	return (uint32_t)(dest - space->maps.dests) * 2 + family;
}

/* Is the chain's first socket to be found without a closer look? */
static bool is_direct(const struct sks_dest *dest, uint32_t family)
{
	return !dest->ifindex && !dest->group[family];
}

static void put_head(struct sks_space *space, const struct sks_dest *dest, uint32_t family,
		     int sock)
{
	uint32_t head = head_of(space, dest, family);

	if (!is_direct(dest, family) || (sock >= 0 && sks_stranger_is_ours(sock) &&
					 !sks_bpf_put_head(&space->maps, head, sock)))
		return;
	/* The one that was first is not any more. */
	sks_bpf_del_head(&space->maps, head);
	space->headless[dest - space->maps.dests] = 1;
}

/* Those of newer instances come first; of one instance, the latest. */
static uint32_t *place_of(const struct sks_space *space, uint32_t i, unsigned int family)
{
	struct sks_slot *slots = space->maps.slots;
	uint32_t *at = &space->maps.dests[slots[i].dest].slot[family];

	if (*at == SKS_SLOT_PASS)
		return at;
	while (*at && slots[*at].since > slots[i].since)
		at = &slots[*at].next[family];
	return at;
}

void sks_slot_link(struct sks_space *space, uint32_t i, uint32_t families, int sock)
{
	struct sks_slot *slot = &space->maps.slots[i];
	struct sks_dest *dest = &space->maps.dests[slot->dest];

	for (unsigned int family = SKS_V4; family <= SKS_V6; family++) {
		uint32_t *at = place_of(space, i, family);

		if (!(slot->families & families & 1u << family))
			continue;
		slot->next[family] = *at == SKS_SLOT_PASS ? 0 : *at;
		/* Release: a program that sees the slot sees what follows it. */
		__atomic_store_n(at, i, __ATOMIC_RELEASE);
		if (at == &dest->slot[family])
			put_head(space, dest, family, sock);
	}
	sks_store_mark(space, dest->service);
	sks_group_update(space, dest);
}

/* The place in the chain that says slot i is next, or NULL. */
static uint32_t *find_link(const struct sks_space *space, uint32_t i, unsigned int family)
{
	struct sks_slot *slots = space->maps.slots;
	uint32_t *at = &space->maps.dests[slots[i].dest].slot[family];

	uint32_t end = space->maps.entries[SKS_MAP_SLOTS];

	for (uint32_t n = 0; n < end && *at && *at < end; n++) {
		if (*at == i)
			return at;
		at = &slots[*at].next[family];
	}
	return NULL;
}

static void unlink_slot(struct sks_space *space, uint32_t i)
{
	struct sks_slot *slot = &space->maps.slots[i];
	const struct sks_dest *dest = &space->maps.dests[slot->dest];

	for (unsigned int family = SKS_V4; family <= SKS_V6; family++) {
		uint32_t *at = find_link(space, i, family);

		if (!at)
			continue;
		__atomic_store_n(at, slot->next[family], __ATOMIC_RELEASE);
		if (at == &dest->slot[family])
			put_head(space, dest, family, -1);
	}
}

void sks_slot_drop(struct sks_space *space, uint32_t i)
{
	struct sks_slot *slot = &space->maps.slots[i];
	const struct sks_dest *dest = &space->maps.dests[slot->dest];

	unlink_slot(space, i);
	(void)sks_bpf_del_socket(&space->maps, i);
	space->freed.slots[i] = 1;
	space->tokens[i] = 0;
	__atomic_store_n(&slot->cookie, 0, __ATOMIC_RELEASE);
	sks_store_mark(space, dest->service);
	sks_group_update(space, dest);
}

/* Without memory, or a program that copies, the packets find their sockets in the chains. */
void sks_slots_settle(struct sks_space *space)
{
	struct sks_head_copy *copies = NULL;
	size_t n = 0;

	for (uint32_t i = 1; i < space->n_dests; i++) {
		const struct sks_dest *dest = &space->maps.dests[i];

		if (!space->headless[i])
			continue;
		space->headless[i] = 0;
		if (!copies)
			copies = calloc(2 * (size_t)(space->n_dests - i), sizeof(*copies));
		for (uint32_t family = SKS_V4; copies && family <= SKS_V6; family++) {
			uint32_t slot = dest->slot[family];

			if (dest->born && slot && slot != SKS_SLOT_PASS && is_direct(dest, family))
				copies[n++] = (struct sks_head_copy){ slot, i * 2 + family };
		}
	}
	(void)sks_bpf_copy_heads(&space->maps, copies, n);
	free(copies);
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

static bool are_few(const struct sks_space *space)
{
	unsigned int used = 0;

	for (uint32_t i = 1; i < space->n_slots && used <= FEW; i++)
		used += slot_used(space, i);
	return used <= FEW;
}

/*
 * The census does not say which socket a slot holds. Nobody puts another one there: a slot's record
 * is written after its socket has come, and cleared after it has gone. Where a helper has died in
 * between, recover() looks closer.
 */
static bool is_open(const struct sks_space *space, const uint64_t *census, uint32_t i)
{
	if (census)
		return census[i / SKS_CENSUS_STEP] >> i % SKS_CENSUS_STEP & 1;
	return sks_slot_lives(&space->maps, i);
}

unsigned int sks_slots_drop_closed(struct sks_space *space)
{
	const uint64_t *census = are_few(space) ? NULL
						: sks_bpf_census(&space->maps, space->n_slots);
	unsigned int gone = 0;

	for (uint32_t i = 1; i < space->n_slots; i++) {
		if (!slot_used(space, i) || is_open(space, census, i))
			continue;
		sks_event_closed(space, i, NULL);
		sks_slot_drop(space, i);
		gone++;
	}
	while (space->n_slots && !slot_used(space, space->n_slots - 1))
		space->n_slots--;
	return gone;
}

unsigned int sks_slots_sweep(struct sks_space *space)
{
	unsigned int gone = sks_slots_drop_closed(space);

	sks_slots_settle(space);
	return gone;
}

bool sks_slot_stands_by(const struct sks_space *space, uint32_t i, uint32_t epoch)
{
	const struct sks_slot *slot = &space->maps.slots[i];
	const struct sks_service *service =
		&space->maps.services[space->maps.dests[slot->dest].service];

	return slot->flags & SKS_SLOT_STANDBY &&
	       memcmp(slot->instance, sks_owner(service, epoch)->instance,
		      sizeof(slot->instance)) != 0;
}

void sks_slot_promote(struct sks_space *space, uint32_t i)
{
	struct sks_slot *slot = &space->maps.slots[i];
	const struct sks_service *service =
		&space->maps.services[space->maps.dests[slot->dest].service];

	slot->since = sks_owner(service, sks_epoch(&space->maps))->taken_over;
	slot->flags &= (uint8_t)~SKS_SLOT_STANDBY;
}

/* The sockets of the current instance go by its spec, even if it has brought another since. */
static void go_by_owner(struct sks_space *space, uint32_t i)
{
	struct sks_slot *slot = &space->maps.slots[i];
	const struct sks_service *service =
		&space->maps.services[space->maps.dests[slot->dest].service];
	const struct sks_owner *owner = sks_owner(service, sks_epoch(&space->maps));

	if (slot->since != owner->taken_over)
		return;
	slot->spec = owner->spec;
	slot->spec_hash = owner->spec_hash;
}

/* Published, a socket that is bound elsewhere than asked for has its guards. */
static bool is_half_moved(const struct sks_space *space, const struct sks_slot *slot)
{
	for (uint32_t i = 0; i < space->n_bindings; i++) {
		const struct sks_binding *binding = &space->maps.bindings[i];

		if (binding->born && binding->source == SKS_GUARDED &&
		    binding->first == slot->port &&
		    binding->service == space->maps.dests[slot->dest].service)
			return false;
	}
	return true;
}

/* A socket in the map without a record, or a record without a socket, a destination or a chain. */
static void recover(struct sks_space *space, uint32_t i)
{
	struct sks_slot *slot = &space->maps.slots[i];
	uint32_t epoch = sks_epoch(&space->maps), n_dests = space->maps.entries[SKS_MAP_DESTS];
	const struct sks_dest *dest;

	if (slot->dest >= n_dests)
		slot->dest = 0; /* never one that lives */
	dest = &space->maps.dests[slot->dest];
	/* An instance that came in a change that never was has heard so, and tries anew. */
	if (!slot->cookie || !sks_alive(dest->born, dest->died, epoch) || slot->since > epoch ||
	    (slot->flags & SKS_SLOT_MOVED && is_half_moved(space, slot)) ||
	    !sks_slot_lives(&space->maps, i)) {
		sks_slot_drop(space, i);
		return;
	}
	if (sks_slot_stands_by(space, i, epoch)) {
		unlink_slot(space, i);
		return;
	}
	if (slot->flags & SKS_SLOT_STANDBY)
		sks_slot_promote(space, i);
	go_by_owner(space, i);
	for (unsigned int family = SKS_V4; family <= SKS_V6; family++) {
		if (sks_dest_families(dest, epoch) & 1u << family && !find_link(space, i, family))
			sks_slot_link(space, i, 1u << family, -1);
	}
}

void sks_slots_recover(struct sks_space *space)
{
	space->n_slots = space->maps.entries[SKS_MAP_SLOTS];
	for (uint32_t i = 1; i < space->n_slots; i++)
		recover(space, i);
	/* An earlier helper may have died before it had emptied a head: all are made anew. */
	for (uint32_t head = 0; head < space->maps.entries[SKS_MAP_HEADS]; head++)
		sks_bpf_del_head(&space->maps, head);
	memset(space->headless, 1, sizeof(space->headless));
	sks_slots_settle(space);
	/* A place may still name a slot that was freed: it would be another service's next. */
	for (uint32_t i = 1; i < space->n_dests; i++)
		sks_group_update(space, &space->maps.dests[i]);
	while (space->n_slots && !space->maps.slots[space->n_slots - 1].cookie)
		space->n_slots--;
	sks_store_grace(space); /* of numbers that were freed here, or by the earlier helper */
}
