// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the records of one network namespace and the rule by which they change (see store.h). */
#include <linux/membarrier.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "store.h"

static const struct sks_owner no_owner;

void sks_store_grace(struct sks_space *space)
{
	int packet;

	/* Runs synchronize_rcu() in the kernel; programs run in an RCU read-side section. */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0)) {
		/* Not with nohz_full. Closing a packet socket waits for the same. */
		packet = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
		sks_closep(&packet);
	}
	memset(&space->freed, 0, sizeof(space->freed));
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

uint32_t sks_store_take_number(struct sks_space *space, uint32_t *cursor, uint32_t first,
			       uint32_t end, const uint8_t *freed,
			       bool (*used)(const struct sks_space *space, uint32_t number))
{
	for (uint32_t tried = first; tried < end; tried++) {
		uint32_t number = *cursor >= first && *cursor < end ? *cursor : first;

		*cursor = number + 1;
		if (used(space, number))
			continue;
		if (freed[number])
			sks_store_grace(space);
		return number;
	}
	return end;
}

static bool dest_used(const struct sks_space *space, uint32_t number)
{
	return space->maps.dests[number].born;
}

struct sks_dest *sks_store_add_dest(struct sks_space *space)
{
	uint32_t i = sks_store_take_number(space, &space->next_dest, 1, SKS_MAX_DESTS,
					   space->freed.dests, dest_used);
	struct sks_dest *dest = &space->maps.dests[i];

	if (i == SKS_MAX_DESTS || sks_bpf_clear_counters(&space->maps, i))
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

	if (next->since != epoch + 1) {
		/* A helper that dies in between must not leave a half that counts. */
		__atomic_store_n(&next->since, 0, __ATOMIC_SEQ_CST);
		next->pid = now->pid;
		next->spec_hash = now->spec_hash;
		memcpy(next->instance, now->instance, sizeof(next->instance));
		memcpy(next->first_port, now->first_port, sizeof(next->first_port));
		next->taken_over = now->taken_over;
		__atomic_store_n(&next->since, epoch + 1, __ATOMIC_RELEASE);
	}
	return next;
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
	/* Overwrites the copy that does not count now. */
	if (reach->since != next &&
	    (dest->reach[1].since == next || dest->reach[1].since < reach->since))
		reach = &dest->reach[1];
	reach->families = families;
	__atomic_store_n(&reach->since, next, __ATOMIC_RELEASE);
}

/* Zeroes what the state of this epoch does not have, and lives on what it has. True: zeroed. */
static bool settle_record(uint32_t *born, uint32_t *died, uint32_t epoch)
{
	bool gone = *born && !sks_alive(*born, *died, epoch);

	/* First, so that a helper which dies here leaves a free record. */
	if (gone)
		__atomic_store_n(born, 0, __ATOMIC_RELEASE);
	*died = 0;
	return gone;
}

static void settle_dest(struct sks_space *space, uint32_t i, uint32_t epoch)
{
	struct sks_dest *dest = &space->maps.dests[i];

	if (settle_record(&dest->born, &dest->died, epoch))
		space->freed.dests[i] = 1;
	for (int k = 0; k < 2; k++) {
		if (dest->reach[k].since > epoch)
			dest->reach[k].since = 0;
	}
	for (unsigned int family = SKS_V4; family <= SKS_V6; family++) {
		if (dest->slot[family] == 0 && !(sks_dest_families(dest, epoch) & 1u << family))
			dest->slot[family] = SKS_SLOT_PASS;
	}
}

static void settle_service(struct sks_service *service, uint32_t epoch)
{
	(void)settle_record(&service->born, &service->died, epoch);
	for (int k = 0; k < 2; k++) {
		if (service->owner[k].since > epoch)
			service->owner[k].since = 0;
	}
}

static void settle(struct sks_space *space)
{
	struct sks_maps *maps = &space->maps;
	uint32_t epoch = sks_epoch(maps);

	space->next_binding = 0;
	for (uint32_t i = 0; i < space->n_bindings; i++)
		(void)settle_record(&maps->bindings[i].born, &maps->bindings[i].died, epoch);
	while (space->n_bindings && !maps->bindings[space->n_bindings - 1].born)
		space->n_bindings--;
	for (uint32_t i = 0; i < space->n_dests; i++)
		settle_dest(space, i, epoch);
	for (uint32_t i = 0; i < space->n_services; i++)
		settle_service(&maps->services[i], epoch);
}

/* What a service has counted stays its own when one of its destinations goes. */
static void keep_counters(struct sks_space *space)
{
	for (uint32_t i = 1; i < space->n_dests; i++) {
		const struct sks_dest *dest = &space->maps.dests[i];
		struct sks_counter *past = &space->maps.services[dest->service].past, one;

		if (!dest->born || dest->died != sks_next_epoch(space))
			continue;
		for (uint32_t family = SKS_V4; family <= SKS_V6; family++) {
			if (sks_bpf_counter(&space->maps, i, family, &one))
				continue;
			past->steered += one.steered;
			past->refused += one.refused;
			past->errors += one.errors;
		}
	}
}

void sks_store_commit(struct sks_space *space)
{
	struct sks_head *head = &space->maps.ports->head;

	keep_counters(space);
	/* Release: whoever sees the new epoch sees the records and the table of it. */
	__atomic_store_n(&head->epoch, head->epoch + 1, __ATOMIC_RELEASE);
	settle(space);
}

void sks_store_abort(struct sks_space *space)
{
	settle(space);
}

void sks_store_recover(struct sks_space *space)
{
	const struct sks_maps *maps = &space->maps;

	space->n_services = SKS_MAX_SERVICES;
	space->n_dests = SKS_MAX_DESTS;
	space->n_bindings = SKS_MAX_BINDINGS;
	settle(space);
	while (space->n_services && !maps->services[space->n_services - 1].born)
		space->n_services--;
	while (space->n_dests && !maps->dests[space->n_dests - 1].born)
		space->n_dests--;
	sks_store_grace(space); /* of what an earlier helper freed */
}
