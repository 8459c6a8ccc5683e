// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns who may steer what: the built-in rule for everybody but root. */
#include <errno.h>
#include <string.h>

#include "inside.h"
#include "policy.h"

struct usage {
	uint64_t ports; /* "*" by a million */
	unsigned int sockets, labels, listeners;
};

static void count_space(const struct sks_space *space, uint32_t uid, struct usage *usage)
{
	const struct sks_maps *maps = &space->maps;
	uint32_t next = sks_next_epoch(space);
	uint8_t own[SKS_MAX_SERVICES] = {};
	bool any = false;

	for (uint32_t i = 0; i < space->n_services; i++) {
		const struct sks_service *service = &maps->services[i];

		if (service->uid != uid || !sks_alive(service->born, service->died, next))
			continue;
		usage->labels += service->named;
		own[i] = 1;
		any = true;
	}
	if (!any)
		return;
	for (uint32_t i = 0; i < space->n_bindings; i++) {
		const struct sks_binding *binding = &maps->bindings[i];

		if (own[binding->service] && binding->source != SKS_LEFT_OUT &&
		    sks_alive(binding->born, binding->died, next))
			usage->ports += binding->last - binding->first + 1u;
	}
	for (uint32_t i = 1; i < space->n_dests; i++) {
		const struct sks_dest *dest = &maps->dests[i];

		usage->listeners += own[dest->service] && sks_alive(dest->born, dest->died, next);
	}
	for (uint32_t i = 1; i < space->n_slots; i++) {
		usage->sockets += maps->slots[i].cookie &&
				  own[maps->dests[maps->slots[i].dest].service];
	}
}

static int check_target(const struct sks_peer *peer, const struct sks_target *target,
			const struct sks_port_limits *limits, struct sks_verdict *verdict)
{
	char text[SKS_TARGET_STRLEN];

	if ((uint32_t)target->last - target->first >= SKS_RANGE_EXCLUSIVE)
		return sks_refuse(verdict, -EACCES,
				  "%s: \"*\" and ranges of more than %u ports are for root",
				  sks_target_format(target, text), SKS_RANGE_EXCLUSIVE);
	if (target->first < limits->unprivileged_start && !peer->binds_low)
		return sks_refuse(
			verdict, -EACCES,
			"%s: port %u is for root (net.ipv4.ip_unprivileged_port_start is %u)",
			sks_target_format(target, text), target->first, limits->unprivileged_start);
	return 0;
}

static int refuse_quota(const struct sks_peer *peer, const char *what, unsigned int quota,
			struct sks_verdict *verdict)
{
	return sks_refuse(verdict, -EDQUOT, "more than %u %s for user %u", quota, what, peer->uid);
}

int sks_policy_targets(const struct sks_peer *peer, int netns, const struct sks_target *targets,
		       size_t n, struct sks_verdict *verdict)
{
	struct sks_port_limits limits;
	unsigned int ports = 0;
	int err;

	if (peer->root || !n)
		return 0;
	err = sks_inside_port_limits(netns, &limits);
	if (err)
		return sks_refuse(verdict, err, "cannot read the namespace's port limits: %s",
				  strerror(-err));
	for (size_t i = 0; !err && i < n; i++) {
		err = check_target(peer, &targets[i], &limits, verdict);
		ports += targets[i].last - targets[i].first + 1u;
	}
	if (!err && ports > SKS_QUOTA_PORTS)
		err = refuse_quota(peer, "ports", SKS_QUOTA_PORTS, verdict);
	return err;
}

int sks_policy_quota(const struct sks_change *change)
{
	struct usage usage = { .sockets = change->dry };

	if (change->peer->root)
		return 0;
	for (size_t i = 0; i < change->spaces->n; i++)
		count_space(change->spaces->spaces[i], change->peer->uid, &usage);
	if (usage.ports > SKS_QUOTA_PORTS)
		return refuse_quota(change->peer, "ports", SKS_QUOTA_PORTS, change->verdict);
	if (usage.sockets > SKS_QUOTA_SOCKETS)
		return refuse_quota(change->peer, "sockets", SKS_QUOTA_SOCKETS, change->verdict);
	if (usage.labels > SKS_QUOTA_LABELS)
		return refuse_quota(change->peer, "labels", SKS_QUOTA_LABELS, change->verdict);
	if (usage.listeners > SKS_QUOTA_LISTENERS)
		return refuse_quota(change->peer, "listeners", SKS_QUOTA_LISTENERS,
				    change->verdict);
	return 0;
}
