// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns how records enter and leave the next state, and which of their copies counts (see store.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

static const struct sks_owner no_owner;

/* Four times as many as there are now, or the most that there may be. */
static int grow(struct sks_space *space, enum sks_map map, uint32_t max)
{
	uint64_t more = 4ull * space->maps.entries[map];

	if (space->maps.entries[map] >= max)
		return -ENOSPC;
	return sks_bpf_grow(space->dir, &space->maps, map, more < max ? (uint32_t)more : max);
}

int sks_store_add_service(struct sks_space *space, struct sks_service **ret_service)
{
	struct sks_service *service;
	uint32_t i = 0;
	int err;

	while (i < space->n_services && space->maps.services[i].born)
		i++;
	if (i == space->maps.entries[SKS_MAP_SERVICES]) {
		err = grow(space, SKS_MAP_SERVICES, SKS_MAX_SERVICES);
		if (err)
			return err;
	}
	service = &space->maps.services[i];
	memset(service, 0, sizeof(*service));
	service->born = sks_next_epoch(space);
	if (i >= space->n_services)
		space->n_services = i + 1;
	*ret_service = service;
	return 0;
}

/* Room for one more in the list. */
static bool make_room(struct sks_space *space)
{
	size_t room = space->touched.room ? 2 * space->touched.room : 64;
	uint32_t *more;

	if (space->touched.n < space->touched.room)
		return true;
	more = reallocarray(space->touched.list, room, sizeof(*more));
	if (!more)
		return false;
	space->touched.list = more;
	space->touched.room = room;
	return true;
}

/* Where memory is short, all count as touched. */
static void touch(struct sks_space *space, uint32_t binding)
{
	if (!space->touched.all && make_room(space))
		space->touched.list[space->touched.n++] = binding;
	else
		space->touched.all = true;
}

int sks_store_add_binding(struct sks_space *space, enum sks_source source,
			  struct sks_binding **ret_binding)
{
	struct sks_binding *binding;
	uint32_t i = space->next_binding;
	int err;

	if (source != SKS_LEFT_OUT && space->used_bindings >= SKS_MAX_BINDINGS)
		return -ENOSPC;
	while (i < space->n_bindings && space->maps.bindings[i].born)
		i++;
	if (i == space->maps.entries[SKS_MAP_BINDINGS]) {
		err = grow(space, SKS_MAP_BINDINGS, SKS_MAX_RECORDS);
		if (err)
			return err;
	}
	binding = &space->maps.bindings[i];
	memset(binding, 0, sizeof(*binding));
	binding->source = (uint8_t)source;
	binding->born = sks_next_epoch(space);
	touch(space, i);
	space->next_binding = i + 1;
	space->used_bindings += source != SKS_LEFT_OUT;
	if (i >= space->n_bindings)
		space->n_bindings = i + 1;
	*ret_binding = binding;
	return 0;
}

int sks_store_take_number(struct sks_space *space, const struct sks_numbers *numbers,
			  uint32_t *ret_number)
{
	uint32_t end = space->maps.entries[numbers->map] / numbers->stride;
	int err;

	for (uint32_t tried = numbers->first; tried < end; tried++) {
		uint32_t number = *numbers->cursor;

		if (number < numbers->first || number >= end)
			number = numbers->first;
		*numbers->cursor = number + 1;
		if (numbers->used(space, number))
			continue;
		if (numbers->freed[number])
			sks_store_grace(space);
		*ret_number = number;
		return 0;
	}
	err = grow(space, numbers->map, numbers->max * numbers->stride);
	if (err)
		return err;
	*numbers->cursor = end + 1;
	*ret_number = end; /* the first of the new ones */
	return 0;
}

static bool dest_used(const struct sks_space *space, uint32_t number)
{
	return space->maps.dests[number].born;
}

int sks_store_add_dest(struct sks_space *space, struct sks_dest **ret_dest)
{
	const struct sks_numbers numbers = {
		.map = SKS_MAP_DESTS,
		.first = 1,
		.max = SKS_MAX_DESTS,
		.stride = 1,
		.cursor = &space->next_dest,
		.freed = space->freed.dests,
		.used = dest_used,
	};
	struct sks_dest *dest;
	uint32_t i;
	int err = sks_store_take_number(space, &numbers, &i)
			  ?: sks_bpf_clear_counters(&space->maps, i);

	if (err)
		return err;
	dest = &space->maps.dests[i];
	memset(dest, 0, sizeof(*dest));
	dest->slot[SKS_V4] = dest->slot[SKS_V6] = SKS_SLOT_PASS;
	dest->born = sks_next_epoch(space);
	if (i >= space->n_dests)
		space->n_dests = i + 1;
	*ret_dest = dest;
	return 0;
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
	sks_store_mark(space, dest->service);
}

void sks_store_kill_binding(struct sks_space *space, struct sks_binding *binding)
{
	uint32_t i = (uint32_t)(binding - space->maps.bindings);
	bool forgotten = binding->born == sks_next_epoch(space);

	kill_record(space, &binding->born, &binding->died);
	touch(space, i);
	space->used_bindings -= binding->source != SKS_LEFT_OUT;
	if (forgotten && i < space->next_binding)
		space->next_binding = i;
}

/* Which of two copies counts in that epoch: 0, 1, or -1 for none. */
static int copy_of(uint32_t since0, uint32_t since1, uint32_t epoch)
{
	bool has0 = since0 && since0 <= epoch, has1 = since1 && since1 <= epoch;

	if (has0 && has1)
		return since0 > since1 ? 0 : 1;
	return has0 ? 0 : has1 ? 1 : -1;
}

const struct sks_owner *sks_owner(const struct sks_service *service, uint32_t epoch)
{
	int copy = copy_of(service->owner[0].since, service->owner[1].since, epoch);

	return copy < 0 ? &no_owner : &service->owner[copy];
}

struct sks_owner *sks_owner_next(struct sks_space *space, struct sks_service *service)
{
	uint32_t epoch = sks_epoch(&space->maps);
	const struct sks_owner *now = sks_owner(service, epoch);
	struct sks_owner *next = &service->owner[now == &service->owner[0]];

	sks_store_mark(space, (uint16_t)(service - space->maps.services));
	if (next->since != epoch + 1) {
		/* A helper that dies in between must not leave a half that counts. */
		__atomic_store_n(&next->since, 0, __ATOMIC_SEQ_CST);
		next->pid = now->pid;
		next->spec_hash = now->spec_hash;
		memcpy(next->instance, now->instance, sizeof(next->instance));
		memcpy(next->first_port, now->first_port, sizeof(next->first_port));
		next->taken_over = now->taken_over;
		next->spec = now->spec;
		__atomic_store_n(&next->since, epoch + 1, __ATOMIC_RELEASE);
	}
	return next;
}

bool sks_binding_counts(const struct sks_space *space, const struct sks_binding *binding,
			uint32_t epoch)
{
	const struct sks_service *service = &space->maps.services[binding->service];

	return sks_alive(binding->born, binding->died, epoch) &&
	       (binding->source != SKS_FROM_SPEC ||
		binding->spec == sks_owner(service, epoch)->spec);
}

uint32_t sks_dest_families(const struct sks_dest *dest, uint32_t epoch)
{
	int copy = copy_of(dest->reach[0].since, dest->reach[1].since, epoch);

	return copy < 0 ? 0 : dest->reach[copy].families;
}

void sks_dest_set_families(struct sks_space *space, struct sks_dest *dest, uint32_t families)
{
	uint32_t next = sks_next_epoch(space);
	struct sks_reach *reach = &dest->reach[0];

	if (families == sks_dest_families(dest, next))
		return;
	sks_store_mark(space, dest->service);
	/* Overwrites the copy that does not count now. */
	if (reach->since != next &&
	    (dest->reach[1].since == next || dest->reach[1].since < reach->since))
		reach = &dest->reach[1];
	reach->families = families;
	__atomic_store_n(&reach->since, next, __ATOMIC_RELEASE);
}
