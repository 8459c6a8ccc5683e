// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the records of one network namespace and the rule by which they change (see store.h). */
#include <errno.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "store.h"

static const struct sks_owner no_owner;

void sks_store_grace(void)
{
	/* Runs synchronize_rcu() in the kernel; programs run in an RCU read-side section. */
	(void)syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

struct sks_service *sks_store_add_service(struct sks_space *space)
{
	for (uint32_t i = 0; i < SKS_MAX_SERVICES; i++) {
		struct sks_service *service = &space->maps.services[i];

		if (service->born)
			continue;
		memset(service, 0, sizeof(*service));
		service->born = sks_next_epoch(space);
		if (i >= space->n_services)
			space->n_services = i + 1;
		return service;
	}
	return NULL;
}

struct sks_binding *sks_store_add_binding(struct sks_space *space)
{
	for (uint32_t i = space->next_binding; i < SKS_MAX_BINDINGS; i++) {
		struct sks_binding *binding = &space->maps.bindings[i];

		if (binding->born)
			continue;
		memset(binding, 0, sizeof(*binding));
		binding->born = sks_next_epoch(space);
		space->next_binding = i + 1;
		if (i >= space->n_bindings)
			space->n_bindings = i + 1;
		return binding;
	}
	return NULL;
}

/* The next number after *cursor that is free, going round once; 0 is never used. */
static uint32_t take_number(uint32_t *cursor, uint32_t max,
			    bool (*used)(const struct sks_maps *, uint32_t),
			    const struct sks_maps *maps)
{
	for (uint32_t tried = 0; tried < max; tried++) {
		uint32_t i = *cursor;

		if (i == 0 || i >= max) {
			if (i)
				sks_store_grace();
			i = 1;
		}
		*cursor = i + 1;
		if (!used(maps, i))
			return i;
	}
	return 0;
}

static bool dest_used(const struct sks_maps *maps, uint32_t i)
{
	return maps->dests[i].born;
}

static bool slot_used(const struct sks_maps *maps, uint32_t i)
{
	return maps->slots[i].cookie;
}

struct sks_dest *sks_store_add_dest(struct sks_space *space)
{
	uint32_t i = take_number(&space->next_dest, SKS_MAX_DESTS, dest_used, &space->maps);
	struct sks_dest *dest = &space->maps.dests[i];

	if (!i || sks_bpf_clear_counters(&space->maps, i))
		return NULL;
	memset(dest, 0, sizeof(*dest));
	dest->slot[SKS_V4] = dest->slot[SKS_V6] = SKS_SLOT_PASS;
	dest->born = sks_next_epoch(space);
	if (i >= space->n_dests)
		space->n_dests = i + 1;
	return dest;
}

/* A record that was born in this very change is gone at once; others when it is published. */
static void kill_record(const struct sks_space *space, uint32_t *born, uint32_t *died)
{
	if (*born == sks_next_epoch(space))
		*born = *died = 0;
	else
		*died = sks_next_epoch(space);
}

void sks_store_kill_service(struct sks_space *space, struct sks_service *service)
{
	kill_record(space, &service->born, &service->died);
}

void sks_store_kill_dest(struct sks_space *space, struct sks_dest *dest)
{
	kill_record(space, &dest->born, &dest->died);
}

void sks_store_kill_binding(struct sks_space *space, struct sks_binding *binding)
{
	kill_record(space, &binding->born, &binding->died);
}

const struct sks_owner *sks_owner(const struct sks_service *service, uint32_t epoch)
{
	const struct sks_owner *a = &service->owner[0], *b = &service->owner[1];
	bool has_a = a->since && a->since <= epoch, has_b = b->since && b->since <= epoch;

	if (has_a && has_b)
		return a->since > b->since ? a : b;
	return has_a ? a : has_b ? b : &no_owner;
}

struct sks_owner *sks_owner_next(struct sks_space *space, struct sks_service *service)
{
	uint32_t epoch = sks_epoch(&space->maps);
	const struct sks_owner *now = sks_owner(service, epoch);
	struct sks_owner *next = &service->owner[now == &service->owner[0]];

	if (next->since != epoch + 1) {
		*next = *now;
		next->since = epoch + 1;
	}
	return next;
}

/* Zeroes what the state of this epoch does not have, and lives on what it has. */
static void settle_record(uint32_t *born, uint32_t *died, uint32_t epoch)
{
	if (!*born)
		return;
	if (!sks_alive(*born, *died, epoch))
		*born = 0; /* first: a helper that dies here leaves a free record */
	*died = 0;
}

static void settle(struct sks_space *space)
{
	struct sks_maps *maps = &space->maps;
	uint32_t epoch = sks_epoch(maps);

	space->next_binding = 0;
	for (uint32_t i = 0; i < space->n_bindings; i++)
		settle_record(&maps->bindings[i].born, &maps->bindings[i].died, epoch);
	for (uint32_t i = 0; i < space->n_dests; i++)
		settle_record(&maps->dests[i].born, &maps->dests[i].died, epoch);
	for (uint32_t i = 0; i < space->n_services; i++) {
		struct sks_service *service = &maps->services[i];

		settle_record(&service->born, &service->died, epoch);
		for (int k = 0; k < 2; k++) {
			if (service->owner[k].since > epoch)
				service->owner[k].since = 0;
		}
	}
}

void sks_store_commit(struct sks_space *space)
{
	struct sks_head *head = &space->maps.ports->head;

	/* Release: whoever sees the new epoch sees the records and the table of it. */
	__atomic_store_n(&head->epoch, head->epoch + 1, __ATOMIC_RELEASE);
	settle(space);
}

void sks_store_abort(struct sks_space *space)
{
	settle(space);
}

static uint32_t *chain_of(struct sks_dest *dest, unsigned int family)
{
	return &dest->slot[family];
}

static void link_slot(struct sks_space *space, uint32_t i)
{
	struct sks_slot *slot = &space->maps.slots[i];
	struct sks_dest *dest = &space->maps.dests[slot->dest];

	for (unsigned int family = SKS_V4; family <= SKS_V6; family++) {
		uint32_t *head = chain_of(dest, family);

		if (!(slot->families & 1u << family))
			continue;
		slot->next[family] = *head == SKS_SLOT_PASS ? 0 : *head;
		/* Release: a program that sees the slot sees what follows it. */
		__atomic_store_n(head, i, __ATOMIC_RELEASE);
	}
}

static void unlink_slot(struct sks_space *space, uint32_t i)
{
	struct sks_slot *slots = space->maps.slots;
	struct sks_dest *dest = &space->maps.dests[slots[i].dest];

	for (unsigned int family = SKS_V4; family <= SKS_V6; family++) {
		uint32_t *at = chain_of(dest, family);

		for (uint32_t n = 0; n < SKS_MAX_SLOTS && *at && *at < SKS_MAX_SLOTS; n++) {
			if (*at == i) {
				__atomic_store_n(at, slots[i].next[family], __ATOMIC_RELEASE);
				break;
			}
			at = &slots[*at].next[family];
		}
	}
}

int sks_store_add_socket(struct sks_space *space, struct sks_dest *dest, int sock,
			 const struct sks_slot *init, uint32_t *ret_slot)
{
	uint32_t i = take_number(&space->next_slot, SKS_MAX_SLOTS, slot_used, &space->maps);
	struct sks_slot *slot = &space->maps.slots[i];
	uint64_t cookie = init->cookie;
	int err;

	if (!i)
		return -ENOSPC;
	*slot = *init;
	slot->cookie = 0;
	slot->dest = (uint16_t)(dest - space->maps.dests);
	err = sks_bpf_put_socket(&space->maps, i, sock);
	if (err)
		return err;
	/* The cookie says that the slot is used; without it the next helper empties the slot. */
	__atomic_store_n(&slot->cookie, cookie, __ATOMIC_RELEASE);
	if (i >= space->n_slots)
		space->n_slots = i + 1;
	dest->families |= slot->families;
	link_slot(space, i);
	*ret_slot = i;
	return 0;
}

void sks_store_drop_socket(struct sks_space *space, uint32_t i)
{
	unlink_slot(space, i);
	(void)sks_bpf_del_socket(&space->maps, i);
	space->maps.slots[i].cookie = 0;
}

bool sks_store_socket_lives(const struct sks_maps *maps, uint32_t i)
{
	uint64_t cookie;

	return maps->slots[i].cookie && !sks_bpf_cookie(maps, i, &cookie) &&
	       cookie == maps->slots[i].cookie;
}

unsigned int sks_store_sweep(struct sks_space *space)
{
	unsigned int gone = 0;

	for (uint32_t i = 1; i < space->n_slots; i++) {
		if (!space->maps.slots[i].cookie || sks_store_socket_lives(&space->maps, i))
			continue;
		sks_store_drop_socket(space, i);
		gone++;
	}
	return gone;
}

static bool is_linked(const struct sks_space *space, uint32_t i, unsigned int family)
{
	const struct sks_slot *slots = space->maps.slots;
	uint32_t at = space->maps.dests[slots[i].dest].slot[family];

	for (uint32_t n = 0; n < SKS_MAX_SLOTS && at && at < SKS_MAX_SLOTS; n++) {
		if (at == i)
			return true;
		at = slots[at].next[family];
	}
	return false;
}

/* A socket in the map without a record, or a record without a socket, a destination or a chain. */
static void recover_slot(struct sks_space *space, uint32_t i)
{
	struct sks_slot *slot = &space->maps.slots[i];
	uint32_t epoch = sks_epoch(&space->maps);
	const struct sks_dest *dest;

	if (!slot->cookie) {
		(void)sks_bpf_del_socket(&space->maps, i);
		return;
	}
	dest = &space->maps.dests[slot->dest < SKS_MAX_DESTS ? slot->dest : 0];
	if (!sks_alive(dest->born, dest->died, epoch) || !sks_store_socket_lives(&space->maps, i)) {
		sks_store_drop_socket(space, i);
		return;
	}
	for (unsigned int family = SKS_V4; family <= SKS_V6; family++) {
		if (slot->families & 1u << family && !is_linked(space, i, family)) {
			unlink_slot(space,
				    i); /* from the other family's chain, lest it be there twice */
			link_slot(space, i);
			return;
		}
	}
}

void sks_store_recover(struct sks_space *space)
{
	const struct sks_maps *maps = &space->maps;

	space->n_services = SKS_MAX_SERVICES;
	space->n_dests = SKS_MAX_DESTS;
	space->n_bindings = SKS_MAX_BINDINGS;
	space->n_slots = SKS_MAX_SLOTS;
	settle(space);
	for (uint32_t i = 1; i < SKS_MAX_SLOTS; i++)
		recover_slot(space, i);
	while (space->n_services && !maps->services[space->n_services - 1].born)
		space->n_services--;
	while (space->n_dests && !maps->dests[space->n_dests - 1].born)
		space->n_dests--;
	while (space->n_bindings && !maps->bindings[space->n_bindings - 1].born)
		space->n_bindings--;
	while (space->n_slots && !maps->slots[space->n_slots - 1].cookie)
		space->n_slots--;
	/* What an earlier helper freed last may still be read: begin after everything in use. */
	space->next_dest = space->n_dests ?: 1;
	space->next_slot = space->n_slots ?: 1;
	sks_store_grace();
}
