// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns what becomes of a socket that a server registers (see admit.h). */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "admit.h"
#include "binding.h"
#include "change.h"
#include "dest.h"
#include "exclusive.h"
#include "join.h"
#include "slot.h"

/*
 * Does a clause speak of this socket? One without a listener, or a label without a spec, speaks of
 * the instance's first listener of the protocol, which first_port names or this becomes.
 */
static bool is_selected_by(const struct sks_arrival *arrival, const struct sks_target *target,
			   uint16_t first_port)
{
	const struct sks_socket *sock = &arrival->socket;
	uint8_t proto = sock->proto == SKS_UDP ? IPPROTO_UDP : IPPROTO_TCP;

	if (target->listener_port)
		return sks_target_names(target, proto, &sock->addr, sock->port);
	return target->proto == proto && (!first_port || first_port == sock->port);
}

/* By the spec that the label has: for a server that came without one. */
static bool is_named(const struct sks_arrival *arrival, const struct sks_service *service)
{
	const struct sks_space *space = arrival->space;
	uint32_t epoch = sks_epoch(&space->maps);

	for (uint32_t i = 0; service && i < space->n_bindings; i++) {
		const struct sks_binding *binding = &space->maps.bindings[i];
		struct sks_target target;

		if (binding->service != sks_service_number(space, service) ||
		    binding->source != SKS_FROM_SPEC || !binding->listener_port ||
		    !sks_binding_counts(space, binding, epoch))
			continue;
		target = sks_binding_target(binding);
		if (is_selected_by(arrival, &target, 0))
			return true;
	}
	return false;
}

static bool is_selected(const struct sks_arrival *arrival, const struct sks_service *service,
			uint16_t first_port)
{
	if (!arrival->instance.n_targets)
		return !first_port || first_port == arrival->socket.port ||
		       is_named(arrival, service);
	for (size_t i = 0; i < arrival->instance.n_targets; i++) {
		if (is_selected_by(arrival, &arrival->instance.targets[i], first_port))
			return true;
	}
	return false;
}

/* All sockets of an instance have one weight: what it came with, or what it was given since. */
static uint16_t weight_of(const struct sks_arrival *arrival, const struct sks_service *service)
{
	const struct sks_request *req = arrival->asked->req;
	uint32_t slot = 0;

	if (service)
		slot = sks_instance_slot(arrival->space, service, req->instance, false);
	if (slot)
		return arrival->space->maps.slots[slot].weight;
	return req->mode == SKS_MODE_JOIN ? req->weight : SKS_WEIGHT;
}

static struct sks_change change_of(struct sks_arrival *arrival, struct sks_service *service)
{
	struct sks_asked *asked = arrival->asked;
	struct sks_change change = sks_ask_change(asked, arrival->space, service);

	change.dry = asked->req->op == SKS_OP_CHECK;
	change.fd = asked->fd;
	change.slot.weight = weight_of(arrival, service);
	change.slot.spec_hash = arrival->instance.spec_hash;
	memcpy(change.slot.instance, asked->req->instance, sizeof(change.slot.instance));
	if (arrival->socket.proto == SKS_UDP && asked->req->flags & SKS_REGISTER_ANSWERS)
		change.slot.flags |= SKS_SLOT_ANSWERS;
	if (arrival->socket.bound && arrival->socket.bound != arrival->socket.port) {
		change.slot.port = arrival->socket.bound;
		change.slot.flags |= SKS_SLOT_MOVED;
	}
	return change;
}

static int refuse_listeners(struct sks_arrival *arrival, int err)
{
	return sks_refuse_room(&arrival->asked->verdict, err, "listeners", SKS_MAX_DESTS - 1);
}

/* joins: it is not registered yet. Forgets the next state where it fails. */
static int finish(struct sks_arrival *arrival, struct sks_change *change, int err, bool joins)
{
	if (err) {
		sks_store_abort(arrival->space);
		return err;
	}
	change->socket = joins ? &arrival->socket : NULL;
	return sks_change_finish(change);
}

/* Its sockets go by the spec that it has brought now. */
static void retag(const struct sks_arrival *arrival, const struct sks_service *service)
{
	const struct sks_owner *owner = sks_owner(service, sks_epoch(&arrival->space->maps));

	for (uint32_t i = 1; i < arrival->space->n_slots; i++) {
		struct sks_slot *slot = &arrival->space->maps.slots[i];

		if (!slot->cookie || slot->since != owner->taken_over ||
		    sks_service_of_slot(arrival->space, i) != service)
			continue;
		slot->spec_hash = owner->spec_hash;
		slot->spec = owner->spec;
	}
}

/* The service is, or becomes, this instance's. */
static int serve(struct sks_arrival *arrival, struct sks_service *service, bool first, bool joins)
{
	struct sks_change change = change_of(arrival, service);
	struct sks_verdict *verdict = change.verdict;
	struct sks_owner *owner;
	int err;

	if (!service) {
		err = sks_service_add(arrival->space, change.peer, arrival->asked->req->label,
				      &service);
		if (err)
			return sks_refuse_room(verdict, err, "services", SKS_MAX_SERVICES);
	}
	err = sks_instance_take(arrival->space, service, &arrival->instance, verdict);
	owner = sks_owner_next(arrival->space, service);
	if (!err && first)
		owner->first_port[arrival->socket.proto] = arrival->socket.port;
	change.service = service;
	change.slot.since = owner->taken_over;
	change.slot.spec = owner->spec;
	change.slot.spec_hash = owner->spec_hash;
	change.takes_over = owner->taken_over == sks_next_epoch(arrival->space);
	if (first || owner->first_port[arrival->socket.proto] == arrival->socket.port)
		change.slot.flags |= SKS_SLOT_FIRST;
	if (!err) {
		sks_dests_leave(arrival->space, service);
		err = sks_dest_get(arrival->space, service, &arrival->socket, &change.dest);
		err = err ? refuse_listeners(arrival, err)
			  : sks_join_split(arrival->space, &change);
	}
	err = finish(arrival, &change, err, joins);
	if (!err && !change.dry)
		retag(arrival, service);
	return err;
}

/* Registered, judged, and in no chain before its instance takes over. */
static int stand_by(struct sks_arrival *arrival, struct sks_service *service, bool first)
{
	struct sks_change change = change_of(arrival, service);
	uint32_t slot = sks_instance_slot(arrival->space, service, arrival->instance.id, true);
	uint32_t other = sks_instance_other(arrival->space, service, arrival->instance.id, true);
	int err;

	if (other)
		return sks_refuse(change.verdict, -EBUSY,
				  "process %u stands by for label \"%s\" already",
				  arrival->space->maps.slots[other].pid, service->label);
	change.service = service;
	change.slot.flags |= SKS_SLOT_STANDBY | (first ? SKS_SLOT_FIRST : 0);
	change.slot.since = slot ? arrival->space->maps.slots[slot].since
				 : sks_next_epoch(arrival->space);
	err = sks_instance_stand_by(arrival->space, service, &arrival->instance, &change.slot,
				    change.verdict);
	if (!err) {
		err = sks_dest_get_standby(arrival->space, service, &arrival->socket, &change.dest);
		err = err ? refuse_listeners(arrival, err)
			  : sks_join_split(arrival->space, &change);
	}
	return finish(arrival, &change, err, true);
}

/* A socket of those that serve now at that port, or 0. */
static uint32_t find_at(const struct sks_arrival *arrival, const struct sks_service *service,
			uint16_t port)
{
	const struct sks_space *space = arrival->space;
	uint32_t current = sks_owner(service, sks_epoch(&space->maps))->taken_over;

	for (uint32_t i = 1; i < space->n_slots; i++) {
		const struct sks_slot *slot = &space->maps.slots[i];
		const struct sks_dest *dest = &space->maps.dests[slot->dest];

		if (slot->cookie && slot->since == current &&
		    sks_service_of_slot(space, i) == service && dest->port == port &&
		    dest->proto == arrival->socket.proto)
			return i;
	}
	return 0;
}

/* Whom this one is to share connections with: who has the same port, or both are the first. */
static uint32_t find_partner(const struct sks_arrival *arrival, const struct sks_service *service,
			     bool first)
{
	uint32_t epoch = sks_epoch(&arrival->space->maps);
	uint32_t same = find_at(arrival, service, arrival->socket.port);

	if (same || !first)
		return same;
	return find_at(arrival, service,
		       sks_owner(service, epoch)->first_port[arrival->socket.proto]);
}

/* Beside the instances that are there, each with a share of what comes. */
static int join(struct sks_arrival *arrival, struct sks_service *service, bool first)
{
	struct sks_change change = change_of(arrival, service);
	uint32_t epoch = sks_epoch(&arrival->space->maps),
		 partner = find_partner(arrival, service, first);
	const struct sks_owner *owner = sks_owner(service, epoch);
	int err = 0;

	if (!sks_instance_agrees(service, &arrival->instance, epoch))
		return sks_refuse(
			change.verdict, -EINVAL,
			"label \"%s\" has another spec: join it with the same, or with none",
			service->label);
	change.service = service;
	change.slot.since = owner->taken_over;
	change.slot.spec = owner->spec;
	change.slot.spec_hash = owner->spec_hash;
	change.slot.flags |= first ? SKS_SLOT_FIRST : 0;
	if (!partner)
		err = sks_dest_get(arrival->space, service, &arrival->socket, &change.dest);
	else
		err = sks_join(arrival->space, &arrival->socket, partner, &change);
	if (err && !change.verdict->err)
		(void)refuse_listeners(arrival, err);
	return finish(arrival, &change, err, true);
}

/* Not steered itself, but what an instance's own listener holds, its "*" leaves out. */
static int leave_out(struct sks_arrival *arrival, struct sks_service *service)
{
	struct sks_change change = change_of(arrival, service);
	uint16_t number = sks_service_number(arrival->space, service);
	uint32_t epoch = sks_epoch(&arrival->space->maps);
	struct sks_range part;
	bool wide = false;

	for (uint32_t i = 0; !wide && i < arrival->space->n_bindings; i++) {
		const struct sks_binding *binding = &arrival->space->maps.bindings[i];

		wide = binding->service == number && sks_binding_is_asked(binding) &&
		       sks_ports_yield(arrival->space, binding->last - binding->first + 1u,
				       binding->first, binding->last, &part) &&
		       sks_binding_counts(arrival->space, binding, epoch);
	}
	change.service = service;
	return wide && !change.dry ? sks_change_finish(&change) : 0;
}

/* A socket that has paused (shutdown(2)) listens again at whatever port the kernel gives it. */
static int follow(struct sks_arrival *arrival, struct sks_service *service, uint32_t i)
{
	struct sks_change change = change_of(arrival, service);
	struct sks_slot *slot = &arrival->space->maps.slots[i];

	if (change.dry || !(slot->flags & SKS_SLOT_MOVED) || !arrival->socket.bound ||
	    arrival->socket.bound == slot->port)
		return 0;
	slot->port = arrival->socket.bound;
	return sks_change_finish(&change);
}

/* The same socket again: listen(2) twice, a child or a new program that inherited or shares it. */
static int register_again(struct sks_arrival *arrival, uint32_t slot)
{
	struct sks_service *service = &arrival->space->maps.services[sks_service_number(
		arrival->space, sks_service_of_slot(arrival->space, slot))];
	bool own = service->uid == arrival->asked->peer.uid;
	bool same = own && !strcmp(service->label, arrival->asked->req->label);
	bool speaks = arrival->instance.n_targets;

	if (same && (!speaks || arrival->asked->req->mode == SKS_MODE_SHARE))
		arrival->asked->steered = true;
	else
		arrival->asked->steered = speaks && arrival->space->maps.slots[slot].spec_hash ==
							    arrival->instance.spec_hash;
	if (!arrival->asked->steered)
		sks_remark(&arrival->asked->verdict, "this socket is registered already: as %s%s",
			   own ? service->label : "another user's",
			   speaks ? ", and this spec does not apply" : "");
	return own ? follow(arrival, service, slot) : 0;
}

static int refuse_busy(struct sks_arrival *arrival, const struct sks_service *service,
		       uint32_t slot)
{
	return sks_refuse(&arrival->asked->verdict, -EADDRINUSE,
			  "label \"%s\" is served by another instance (process %u)", service->label,
			  arrival->space->maps.slots[slot].pid);
}

/* other: a socket of another instance, which the label has now. */
static int meet(struct sks_arrival *arrival, struct sks_service *service, uint32_t other,
		bool first)
{
	/* One that was replaced does not come back while it is there, whatever it opens. */
	if (sks_instance_replaced(arrival->space, service, arrival->instance.id))
		return refuse_busy(arrival, service, other);
	switch (arrival->asked->req->mode) {
	case SKS_MODE_REPLACE:
		return serve(arrival, service, first, true);
	case SKS_MODE_STANDBY:
		return stand_by(arrival, service, first);
	case SKS_MODE_JOIN:
		return join(arrival, service, first);
	case SKS_MODE_SHARE:
		/* Which one, sks_place() says; what comes with a socket of its own is too late. */
		if (arrival->asked->req->op == SKS_OP_CHECK && arrival->asked->req->port)
			return 0;
		return refuse_busy(arrival, service, other);
	default:
		return refuse_busy(arrival, service, other);
	}
}

/* The port of the first listener, for one that comes without a spec to a label that is served. */
static uint16_t expected_port(const struct sks_arrival *arrival, const struct sks_service *service)
{
	uint16_t mode = arrival->asked->req->mode;

	if (arrival->instance.n_targets || (mode != SKS_MODE_REPLACE && mode != SKS_MODE_STANDBY))
		return 0;
	return sks_owner(service, sks_epoch(&arrival->space->maps))
		->first_port[arrival->socket.proto];
}

int sks_admit(struct sks_arrival *arrival)
{
	const uint8_t *id = arrival->instance.id;
	struct sks_space *space = arrival->space;
	struct sks_service *service =
		sks_service_find(space, arrival->asked->peer.uid, arrival->asked->req->label, id);
	uint32_t slot = sks_slot_find(space, arrival->socket.cookie), other = 0;
	uint32_t epoch = sks_epoch(&space->maps);
	bool owns = service && !memcmp(sks_owner(service, epoch)->instance, id, SKS_INSTANCE_SIZE);
	bool waits = service && sks_instance_slot(space, service, id, true);
	bool mine = owns || (service && sks_instance_slot(space, service, id, false));
	uint16_t first = service ? sks_instance_first(space, service, id, arrival->socket.proto)
				 : 0;
	bool is_first = !first;

	if (service && !mine)
		other = sks_instance_other(space, service, id, false);
	if (!first && other)
		first = expected_port(arrival, service);
	if (!is_selected(arrival, service, first))
		return mine ? leave_out(arrival, service) : 0;
	if (slot && (sks_service_of_slot(space, slot) != service || waits || other ||
		     (mine && sks_instance_agrees(service, &arrival->instance, epoch))))
		return register_again(arrival, slot);
	arrival->asked->steered = true;
	if (waits)
		return stand_by(arrival, service, is_first);
	if (other)
		return meet(arrival, service, other, is_first);
	if (mine && !owns)
		return join(arrival, service, is_first);
	return serve(arrival, service, is_first, !slot);
}
