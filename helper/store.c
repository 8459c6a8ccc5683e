// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the records of one network namespace and the rule by which they change (see store.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "claims.h"
#include "counter.h"
#include "kernel.h"
#include "store.h"

void sks_store_grace(struct sks_space *space)
{
	sks_kernel_grace();
	memset(&space->freed, 0, sizeof(space->freed));
}

static int add_ports(struct sks_ranges ranges[2], const struct sks_binding *binding)
{
	return sks_ranges_add(&ranges[binding->proto & 1], binding->first, binding->last);
}

int sks_store_affected(const struct sks_space *space, struct sks_ranges ret_ranges[2])
{
	const struct sks_binding *bindings = space->maps.bindings;
	bool scan = space->touched.all || memchr(space->dirty, 1, space->n_services);
	struct sks_ranges ranges[2] = {};
	int err = 0;

	for (size_t i = 0; !err && i < space->touched.n; i++)
		err = add_ports(ranges, &bindings[space->touched.list[i]]);
	for (uint32_t i = 0; scan && !err && i < space->n_bindings; i++) {
		if (bindings[i].born && (space->touched.all || space->dirty[bindings[i].service]))
			err = add_ports(ranges, &bindings[i]);
	}
	for (uint32_t proto = SKS_TCP; proto <= SKS_UDP; proto++) {
		sks_ranges_merge(&ranges[proto]);
		if (err)
			sks_ranges_free(&ranges[proto]);
		else
			ret_ranges[proto] = ranges[proto];
	}
	return err;
}

/* Zeroes what the state of this epoch does not have, and lives on what it has. True: zeroed. */
static bool settle_record(uint32_t *born, uint32_t *died, uint32_t epoch)
{
	bool gone = *born && !sks_alive(*born, *died, epoch);

	/* First, so that a helper which dies here leaves a free record. */
	if (gone)
		__atomic_store_n(born, 0, __ATOMIC_RELEASE);
	if (*died)
		*died = 0;
	return gone;
}

static void free_groups(struct sks_space *space, struct sks_dest *dest)
{
	for (unsigned int family = SKS_V4; family <= SKS_V6; family++) {
		space->used_groups[dest->group[family]] = 0;
		space->freed.groups[dest->group[family]] = 1;
		dest->group[family] = 0;
	}
}

/*
 * What a service has counted stays its own when one of its destinations goes. No system call between
 * the two places: a helper that dies there would leave it in both. True: the record is zeroed.
 */
static bool settle_counted(struct sks_space *space, uint32_t i, uint32_t epoch)
{
	struct sks_dest *dest = &space->maps.dests[i];
	uint32_t *counting = &space->maps.ports->head.counting;
	struct sks_counter last[2] = {};
	bool gone;

	if (!dest->born || !dest->died || dest->died > epoch)
		return settle_record(&dest->born, &dest->died, epoch);
	for (uint32_t family = SKS_V4; family <= SKS_V6; family++)
		(void)sks_bpf_counter(&space->maps, i, family, &last[family]);
	__atomic_store_n(counting, *counting | 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* what follows is not seen before that */
	for (uint32_t family = SKS_V4; family <= SKS_V6; family++)
		sks_counter_add(&space->maps.services[dest->service].past[dest->proto & 1][family],
				&last[family]);
	gone = settle_record(&dest->born, &dest->died, epoch);
	__atomic_store_n(counting, *counting + 1, __ATOMIC_SEQ_CST);
	return gone;
}

static void settle_dest(struct sks_space *space, uint32_t i, uint32_t epoch)
{
	struct sks_dest *dest = &space->maps.dests[i];

	if (settle_counted(space, i, epoch)) {
		space->freed.dests[i] = 1;
		free_groups(space, dest);
		for (uint32_t family = SKS_V4; family <= SKS_V6; family++)
			sks_bpf_del_head(&space->maps, i * 2 + family);
	}
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

static void settle_binding(struct sks_space *space, uint32_t i, uint32_t epoch)
{
	struct sks_binding *binding = &space->maps.bindings[i];

	if (binding->source != SKS_LEFT_OUT) {
		space->used_bindings += binding->died > epoch; /* it stays */
		space->used_bindings -= binding->born > epoch; /* it never came */
	}
	if (settle_record(&binding->born, &binding->died, epoch) && i < space->next_binding)
		space->next_binding = i;
}

static void settle_bindings(struct sks_space *space, uint32_t epoch)
{
	for (uint32_t i = 0; space->touched.all && i < space->n_bindings; i++)
		settle_binding(space, i, epoch);
	for (size_t i = 0; !space->touched.all && i < space->touched.n; i++)
		settle_binding(space, space->touched.list[i], epoch);
	space->touched.n = 0;
	space->touched.all = false;
	while (space->n_bindings && !space->maps.bindings[space->n_bindings - 1].born)
		space->n_bindings--;
}

static void settle(struct sks_space *space)
{
	uint32_t epoch = sks_epoch(&space->maps);

	settle_bindings(space, epoch);
	for (uint32_t i = 0; i < space->n_dests; i++)
		settle_dest(space, i, epoch);
	for (uint32_t i = 0; i < space->n_services; i++)
		settle_service(&space->maps.services[i], epoch);
}

/* A destination that is new counted as one that has sockets: look again, now that it has or not. */
static void clear_marks(struct sks_space *space, uint32_t epoch)
{
	memset(space->dirty, 0, sizeof(space->dirty));
	for (uint32_t i = 1; i < space->n_dests; i++) {
		if (space->maps.dests[i].born == epoch)
			sks_store_mark(space, space->maps.dests[i].service);
	}
}

void sks_store_commit(struct sks_space *space)
{
	struct sks_head *head = &space->maps.ports->head;

	/* Release: whoever sees the new epoch sees the records and the table of it. */
	__atomic_store_n(&head->epoch, head->epoch + 1, __ATOMIC_RELEASE);
	clear_marks(space, head->epoch);
	settle(space);
	sks_claims_settle(space, true);
}

void sks_store_abort(struct sks_space *space)
{
	settle(space);
	sks_claims_settle(space, false);
}

static void count_bindings(struct sks_space *space)
{
	space->used_bindings = 0;
	for (uint32_t i = 0; i < space->n_bindings; i++) {
		const struct sks_binding *binding = &space->maps.bindings[i];

		space->used_bindings += binding->born && binding->source != SKS_LEFT_OUT;
	}
}

/* Which services have bindings that come of where their sockets are, or that sleep? */
static void see_kinds(struct sks_space *space)
{
	uint32_t epoch = sks_epoch(&space->maps);

	memset(space->has_moved, 0, sizeof(space->has_moved));
	memset(space->has_dormant, 0, sizeof(space->has_dormant));
	for (uint32_t i = 0; i < space->n_bindings; i++) {
		const struct sks_binding *binding = &space->maps.bindings[i];

		if (!sks_alive(binding->born, binding->died, epoch))
			continue;
		space->has_moved[binding->service] |= binding->source == SKS_OWN_PORT ||
						      binding->source == SKS_GUARDED;
		space->has_dormant[binding->service] |= !sks_binding_counts(space, binding, epoch);
	}
}

void sks_store_recover(struct sks_space *space)
{
	const struct sks_maps *maps = &space->maps;

	space->n_services = maps->entries[SKS_MAP_SERVICES];
	space->n_dests = maps->entries[SKS_MAP_DESTS];
	space->n_bindings = maps->entries[SKS_MAP_BINDINGS];
	space->next_binding = 0;
	space->touched.all = true;
	memset(space->dirty, 1, sizeof(space->dirty));
	settle(space);
	/* A helper that died there has left it odd. */
	maps->ports->head.counting = (maps->ports->head.counting | 1) + 1;
	count_bindings(space);
	see_kinds(space);
	while (space->n_services && !maps->services[space->n_services - 1].born)
		space->n_services--;
	while (space->n_dests && !maps->dests[space->n_dests - 1].born)
		space->n_dests--;
}
