// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the instances of a service (see instance.h). */
#include <stdlib.h>
#include <string.h>

#include "binding.h"
#include "instance.h"
#include "log.h"
#include "slot.h"

static bool is_of(const struct sks_space *space, uint32_t i, const struct sks_service *service,
		  bool standby)
{
	return space->maps.slots[i].cookie && sks_service_of_slot(space, i) == service &&
	       sks_slot_stands_by(space, i, sks_epoch(&space->maps)) == standby;
}

static bool has_id(const struct sks_slot *slot, const uint8_t *id)
{
	return !memcmp(slot->instance, id, sizeof(slot->instance));
}

uint32_t sks_instance_slot(const struct sks_space *space, const struct sks_service *service,
			   const uint8_t *id, bool standby)
{
	uint32_t current = sks_owner(service, sks_epoch(&space->maps))->taken_over;

	for (uint32_t i = 1; i < space->n_slots; i++) {
		const struct sks_slot *slot = &space->maps.slots[i];

		if (slot->cookie && has_id(slot, id) && (standby || slot->since == current) &&
		    is_of(space, i, service, standby))
			return i;
	}
	return 0;
}

uint32_t sks_instance_other(const struct sks_space *space, const struct sks_service *service,
			    const uint8_t *id, bool standby)
{
	for (uint32_t i = 1; i < space->n_slots; i++) {
		const struct sks_slot *slot = &space->maps.slots[i];

		if (slot->cookie && !has_id(slot, id) && is_of(space, i, service, standby))
			return i;
	}
	return 0;
}

uint32_t sks_instance_replaced(const struct sks_space *space, const struct sks_service *service,
			       const uint8_t *id)
{
	uint32_t current = sks_owner(service, sks_epoch(&space->maps))->taken_over;

	for (uint32_t i = 1; i < space->n_slots; i++) {
		const struct sks_slot *slot = &space->maps.slots[i];

		if (slot->cookie && slot->since != current && has_id(slot, id) &&
		    is_of(space, i, service, false))
			return i;
	}
	return 0;
}

uint16_t sks_slot_port(const struct sks_space *space, const struct sks_slot *slot)
{
	if (slot->port && !(slot->flags & SKS_SLOT_MOVED))
		return slot->port;
	return space->maps.dests[slot->dest].port;
}

uint16_t sks_instance_first(const struct sks_space *space, const struct sks_service *service,
			    const uint8_t *id, uint8_t proto)
{
	for (uint32_t i = 1; i < space->n_slots; i++) {
		const struct sks_slot *slot = &space->maps.slots[i];

		if (slot->cookie && slot->flags & SKS_SLOT_FIRST && has_id(slot, id) &&
		    space->maps.dests[slot->dest].proto == proto &&
		    sks_service_of_slot(space, i) == service)
			return sks_slot_port(space, slot);
	}
	return 0;
}

bool sks_instance_agrees(const struct sks_service *service, const struct sks_instance *instance,
			 uint32_t epoch)
{
	return !instance->n_targets || sks_owner(service, epoch)->spec_hash == instance->spec_hash;
}

/* Does a socket go by that spec? */
static bool is_gone_by(const struct sks_space *space, uint16_t service, uint32_t spec)
{
	for (uint32_t i = 1; i < space->n_slots; i++) {
		const struct sks_slot *slot = &space->maps.slots[i];

		if (slot->cookie && slot->spec == spec &&
		    space->maps.dests[slot->dest].service == service)
			return true;
	}
	return false;
}

static void forget_spec(struct sks_space *space, uint16_t service, uint32_t spec)
{
	uint32_t next = sks_next_epoch(space);

	for (uint32_t i = 0; i < space->n_bindings; i++) {
		struct sks_binding *binding = &space->maps.bindings[i];

		if (binding->service == service && binding->source == SKS_FROM_SPEC &&
		    binding->spec == spec && sks_alive(binding->born, binding->died, next))
			sks_store_kill_binding(space, binding);
	}
}

static int add_targets(struct sks_space *space, const struct sks_service *service,
		       const struct sks_instance *instance, uint32_t spec,
		       struct sks_verdict *verdict)
{
	int err = 0;

	for (size_t i = 0; !err && i < instance->n_targets; i++)
		err = sks_binding_add(space, service, &instance->targets[i], SKS_FROM_SPEC, spec,
				      verdict);
	return err;
}

/*
 * Does a socket of an earlier or a coming instance go by that spec? Those of the current one, and
 * of whoever joined it, go by what it brings now.
 */
static bool sleeps(const struct sks_space *space, uint16_t service, const struct sks_owner *owner)
{
	for (uint32_t i = 1; i < space->n_slots; i++) {
		const struct sks_slot *slot = &space->maps.slots[i];

		if (slot->cookie && slot->spec == owner->spec && slot->since != owner->taken_over &&
		    space->maps.dests[slot->dest].service == service)
			return true;
	}
	return false;
}

int sks_instance_take(struct sks_space *space, struct sks_service *service,
		      const struct sks_instance *instance, struct sks_verdict *verdict)
{
	uint16_t number = sks_service_number(space, service);
	uint32_t next = sks_next_epoch(space);
	struct sks_owner *owner = sks_owner_next(space, service);
	bool same = !memcmp(owner->instance, instance->id, sizeof(owner->instance));
	bool agrees = sks_instance_agrees(service, instance, next);

	if (same && agrees)
		return 0;
	/* first_port stays: until this instance has its own, the last one's refuses there. */
	if (!same)
		owner->taken_over = next;
	memcpy(owner->instance, instance->id, sizeof(owner->instance));
	owner->pid = instance->pid;
	if (agrees)
		return 0;
	if (sleeps(space, number, owner))
		space->has_dormant[number] = 1;
	else if (service->born != next)
		forget_spec(space, number, owner->spec);
	owner->spec = next;
	owner->spec_hash = instance->spec_hash;
	return add_targets(space, service, instance, next, verdict);
}

int sks_instance_stand_by(struct sks_space *space, struct sks_service *service,
			  const struct sks_instance *instance, struct sks_slot *slot,
			  struct sks_verdict *verdict)
{
	uint32_t epoch = sks_epoch(&space->maps);
	const struct sks_owner *owner = sks_owner(service, epoch);
	const struct sks_slot *first =
		&space->maps.slots[sks_instance_slot(space, service, instance->id, true)];

	if (first->cookie && (!instance->n_targets || first->spec_hash == instance->spec_hash)) {
		slot->spec = first->spec;
		slot->spec_hash = first->spec_hash;
		return 0;
	}
	if (sks_instance_agrees(service, instance, epoch)) {
		slot->spec = owner->spec;
		slot->spec_hash = owner->spec_hash;
		return 0;
	}
	slot->spec = epoch + 1;
	slot->spec_hash = instance->spec_hash;
	space->has_dormant[sks_service_number(space, service)] = 1;
	return add_targets(space, service, instance, slot->spec, verdict);
}

void sks_instance_restore(struct sks_space *space, struct sks_service *service, uint32_t i)
{
	const struct sks_slot *slots = space->maps.slots, *one = &slots[i];
	uint16_t number = sks_service_number(space, service);
	struct sks_owner *owner = sks_owner_next(space, service);

	memcpy(owner->instance, one->instance, sizeof(owner->instance));
	owner->pid = one->pid;
	if (owner->spec != one->spec)
		space->has_dormant[number] = 1;
	owner->spec = one->spec;
	owner->spec_hash = one->spec_hash;
	owner->taken_over = one->flags & SKS_SLOT_STANDBY ? sks_next_epoch(space) : one->since;
	for (uint32_t k = 1; k < space->n_slots; k++) {
		const struct sks_dest *dest = &space->maps.dests[slots[k].dest];

		if (slots[k].cookie && slots[k].since == one->since &&
		    slots[k].flags & SKS_SLOT_FIRST && dest->service == number)
			owner->first_port[dest->proto] = dest->port;
	}
}

void sks_instance_forget(struct sks_space *space, struct sks_service *service)
{
	struct sks_owner *owner = sks_owner_next(space, service);

	forget_spec(space, sks_service_number(space, service), owner->spec);
	owner->spec_hash = 0;
}

/* Of a service: has the current instance a socket, and which is the latest of another one's? */
struct view {
	bool up;
	uint32_t latest;
};

static struct view *look(const struct sks_space *space)
{
	uint32_t next = sks_next_epoch(space);
	struct view *views = calloc(space->n_services + 1, sizeof(*views));

	for (uint32_t i = 1; views && i < space->n_slots; i++) {
		const struct sks_slot *slots = space->maps.slots;
		const struct sks_service *service = sks_service_of_slot(space, i);
		struct view *view = &views[service - space->maps.services];

		if (!slots[i].cookie || sks_slot_stands_by(space, i, next))
			continue;
		if (slots[i].since == sks_owner(service, next)->taken_over)
			view->up = true;
		else if (!view->latest || slots[i].since > slots[view->latest].since)
			view->latest = i;
	}
	return views;
}

/* Specs that nobody goes by any more, and that do not count. True: there were any. */
static bool forget_dormant(struct sks_space *space, uint16_t service)
{
	uint32_t next = sks_next_epoch(space), counts, kept = 0;
	bool any = false;

	counts = sks_owner(&space->maps.services[service], next)->spec;
	for (uint32_t i = 0; i < space->n_bindings; i++) {
		struct sks_binding *binding = &space->maps.bindings[i];

		if (binding->service != service || binding->source != SKS_FROM_SPEC ||
		    binding->spec == counts || !sks_alive(binding->born, binding->died, next))
			continue;
		if (binding->spec == kept || is_gone_by(space, service, binding->spec)) {
			kept = binding->spec;
			continue;
		}
		sks_store_kill_binding(space, binding);
		any = true;
	}
	space->has_dormant[service] = kept || any;
	return any;
}

bool sks_instances_fall_back(struct sks_space *space)
{
	struct view *views = look(space);
	bool any = false;

	for (uint32_t i = 0; views && i < space->n_services; i++) {
		struct sks_service *service = &space->maps.services[i];

		if (!sks_in_next(space, service))
			continue;
		if (!views[i].up && views[i].latest) {
			sks_log_of(service->uid, SKS_LOG_INFO, "\"%s\" is process %u's again",
				   service->label, space->maps.slots[views[i].latest].pid);
			sks_instance_restore(space, service, views[i].latest);
			any = true;
		}
		if (space->has_dormant[i])
			any |= forget_dormant(space, (uint16_t)i);
	}
	free(views);
	return any;
}
