// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns how much a user has, over all namespaces. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy_usage.h"

/* What a spec brings, be it the one that counts now or one that may count again. */
struct spec_use {
	uint16_t service;
	uint32_t spec;
	uint64_t ports;
};

struct spec_uses {
	struct spec_use *list;
	size_t n, room;
};

/* A spec's bindings mostly follow each other; what is left of it is added up later. */
static int count_spec(struct spec_uses *uses, const struct sks_binding *binding)
{
	uint64_t ports = sks_usage_of_range(binding->first, binding->last);
	struct spec_use *last = uses->n ? &uses->list[uses->n - 1] : NULL;

	if (last && last->service == binding->service && last->spec == binding->spec) {
		last->ports += ports;
		return 0;
	}
	if (uses->n == uses->room) {
		size_t room = uses->room ? 2 * uses->room : 64;
		struct spec_use *list = reallocarray(uses->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		uses->list = list;
		uses->room = room;
	}
	uses->list[uses->n++] = (struct spec_use){ binding->service, binding->spec, ports };
	return 0;
}

static int by_spec(const void *pa, const void *pb)
{
	const struct spec_use *a = pa, *b = pb;

	return a->service - b->service ?: (a->spec > b->spec) - (a->spec < b->spec);
}

/* Of each service's specs only one counts at a time: the largest is what its user may have. */
static uint64_t sum_specs(struct spec_uses *uses)
{
	uint64_t sum = 0;
	size_t i = 0;

	if (uses->n)
		qsort(uses->list, uses->n, sizeof(*uses->list), by_spec);
	while (i < uses->n) {
		uint16_t service = uses->list[i].service;
		uint64_t largest = 0;

		while (i < uses->n && uses->list[i].service == service) {
			uint32_t spec = uses->list[i].spec;
			uint64_t ports = 0;

			for (; i < uses->n && uses->list[i].service == service &&
			       uses->list[i].spec == spec;
			     i++)
				ports += uses->list[i].ports;
			if (ports > largest)
				largest = ports;
		}
		sum += largest;
	}
	return sum;
}

/* Of one namespace, in one epoch or another. */
struct count {
	uint32_t epoch;
	uint8_t bit; /* in own */
	struct spec_uses specs;
	struct sks_usage *usage;
};

static bool count_services(const struct sks_space *space, uint32_t uid, struct count *count,
			   uint8_t own[SKS_MAX_SERVICES])
{
	bool any = false;

	for (uint32_t i = 0; i < space->n_services; i++) {
		const struct sks_service *service = &space->maps.services[i];

		if (service->uid != uid || !sks_alive(service->born, service->died, count->epoch))
			continue;
		count->usage->labels += service->named;
		own[i] |= count->bit;
		any = true;
	}
	return any;
}

static int count_binding(const struct sks_binding *binding, struct count *count)
{
	if (!sks_alive(binding->born, binding->died, count->epoch))
		return 0;
	if (binding->source == SKS_FROM_SPEC)
		return count_spec(&count->specs, binding);
	if (binding->source == SKS_FROM_CTL)
		count->usage->ports += sks_usage_of_range(binding->first, binding->last);
	return 0;
}

static int count_bindings(const struct sks_space *space, const uint8_t own[SKS_MAX_SERVICES],
			  struct count counts[2])
{
	int err = 0;

	/* Of the million that there may be, most are others'. */
	for (uint32_t i = 0; !err && i < space->n_bindings; i++) {
		const struct sks_binding *binding = &space->maps.bindings[i];
		uint8_t of = own[binding->service];

		for (size_t k = 0; of && !err && k < 2; k++)
			err = of & counts[k].bit ? count_binding(binding, &counts[k]) : 0;
	}
	for (size_t k = 0; k < 2; k++) {
		counts[k].usage->ports += sum_specs(&counts[k].specs);
		free(counts[k].specs.list);
	}
	return err;
}

static void count_sockets(const struct sks_space *space, const uint8_t own[SKS_MAX_SERVICES],
			  struct count counts[2])
{
	const struct sks_maps *maps = &space->maps;

	for (uint32_t i = 1; i < space->n_dests; i++) {
		const struct sks_dest *dest = &maps->dests[i];

		for (size_t k = 0; k < 2; k++)
			counts[k].usage->listeners +=
				own[dest->service] & counts[k].bit &&
				sks_alive(dest->born, dest->died, counts[k].epoch);
	}
	for (uint32_t i = 1; i < space->n_slots; i++) {
		bool is_own = maps->slots[i].cookie &&
			      own[maps->dests[maps->slots[i].dest].service];

		counts[0].usage->sockets += is_own;
		counts[1].usage->sockets += is_own;
	}
}

static int count_space(const struct sks_space *space, uint32_t uid, struct sks_usage *now,
		       struct sks_usage *next)
{
	struct count counts[2] = {
		{ .epoch = sks_epoch(&space->maps), .bit = 1, .usage = now },
		{ .epoch = sks_next_epoch(space), .bit = 2, .usage = next },
	};
	uint8_t own[SKS_MAX_SERVICES] = {};
	bool any = count_services(space, uid, &counts[0], own);

	any |= count_services(space, uid, &counts[1], own);
	if (!any)
		return 0;
	count_sockets(space, own, counts);
	return count_bindings(space, own, counts);
}

int sks_usage_count(const struct sks_spaces *spaces, uint32_t uid, struct sks_usage *ret_now,
		    struct sks_usage *ret_next)
{
	int err = 0;

	*ret_now = *ret_next = (struct sks_usage){};
	for (size_t i = 0; !err && i < spaces->n; i++)
		err = count_space(spaces->spaces[i], uid, ret_now, ret_next);
	return err;
}
