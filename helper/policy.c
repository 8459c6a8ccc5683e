// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns who may steer what: the built-in rule for everybody but root. */
#include <errno.h>

#include "inside.h"
#include "policy.h"

struct usage {
	unsigned int ports, sockets, labels;
};

static void count_space(const struct sks_space *space, uint32_t uid, struct usage *usage)
{
	const struct sks_maps *maps = &space->maps;

	for (uint32_t i = 0; i < space->n_services; i++) {
		const struct sks_service *service = &maps->services[i];

		if (sks_in_next(space, service) && service->uid == uid)
			usage->labels += service->named;
	}
	for (uint32_t i = 0; i < space->n_bindings; i++) {
		const struct sks_binding *binding = &maps->bindings[i];

		if (sks_in_next(space, binding) && binding->source != SKS_LEFT_OUT &&
		    maps->services[binding->service].uid == uid)
			usage->ports += binding->last - binding->first + 1u;
	}
	for (uint32_t i = 1; i < space->n_slots; i++) {
		if (maps->slots[i].cookie && sks_service_of_slot(space, i)->uid == uid)
			usage->sockets++;
	}
}

static int check_binding(const struct sks_change *change, const struct sks_binding *binding,
			 const struct sks_port_limits *limits)
{
	unsigned int width = binding->last - binding->first + 1u;

	if (binding->all || width > SKS_RANGE_EXCLUSIVE)
		return sks_refuse(change->verdict, -EACCES,
				  "%s: \"*\" and ranges of more than %u ports are for root",
				  binding->all ? "\"*\"" : "the range", SKS_RANGE_EXCLUSIVE);
	if (binding->first < limits->unprivileged_start)
		return sks_refuse(change->verdict, -EACCES,
				  "port %u is for root (net.ipv4.ip_unprivileged_port_start is %u)",
				  binding->first, limits->unprivileged_start);
	return 0;
}

static int check_bindings(const struct sks_change *change)
{
	const struct sks_space *space = change->space;
	struct sks_port_limits limits;
	int err = sks_inside_port_limits(change->netns, &limits);

	if (err)
		return sks_refuse(change->verdict, err, "cannot read the namespace's port limits");
	for (uint32_t i = 0; !err && i < space->n_bindings; i++) {
		const struct sks_binding *binding = &space->maps.bindings[i];

		if (binding->born == sks_next_epoch(space) && binding->source != SKS_LEFT_OUT)
			err = check_binding(change, binding, &limits);
	}
	return err;
}

int sks_policy_check(struct sks_change *change)
{
	struct usage usage = { .sockets = change->socket != NULL };
	int err;

	if (change->peer->root)
		return 0;
	err = check_bindings(change);
	if (err)
		return err;
	for (size_t i = 0; i < change->spaces->n; i++)
		count_space(change->spaces->spaces[i], change->peer->uid, &usage);
	if (usage.ports > SKS_QUOTA_PORTS)
		return sks_refuse(change->verdict, -EDQUOT, "more than %u ports for user %u",
				  SKS_QUOTA_PORTS, change->peer->uid);
	if (usage.sockets > SKS_QUOTA_SOCKETS)
		return sks_refuse(change->verdict, -EDQUOT, "more than %u sockets for user %u",
				  SKS_QUOTA_SOCKETS, change->peer->uid);
	if (usage.labels > SKS_QUOTA_LABELS)
		return sks_refuse(change->verdict, -EDQUOT, "more than %u labels for user %u",
				  SKS_QUOTA_LABELS, change->peer->uid);
	return 0;
}
