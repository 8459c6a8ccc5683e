// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns who may steer and open what: the built-in rule, and what the policy file adds to it. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "inside.h"
#include "policy.h"

static const struct sks_policy_file none = { .path = SKS_POLICY_PATH };
static const struct sks_policy_file *policy_file = &none;

void sks_policy_use(const struct sks_policy_file *file)
{
	policy_file = file;
}

struct usage {
	uint64_t ports; /* "*" by a million */
	unsigned int sockets, labels, listeners;
};

/* What a spec brings, be it the one that counts now or one that may count again. */
struct spec_use {
	uint16_t service;
	uint32_t spec;
	uint64_t ports;
};

struct spec_uses {
	struct spec_use list[2 * SKS_QUOTA_SOCKETS]; /* hardly more than sockets */
	size_t n;
};

static void count_spec(struct spec_uses *uses, const struct sks_binding *binding,
		       struct usage *usage)
{
	uint64_t ports = binding->last - binding->first + 1u;
	size_t i = uses->n;

	while (i && (uses->list[i - 1].service != binding->service ||
		     uses->list[i - 1].spec != binding->spec))
		i--;
	if (i)
		uses->list[i - 1].ports += ports;
	else if (uses->n < sizeof(uses->list) / sizeof(*uses->list))
		uses->list[uses->n++] = (struct spec_use){ binding->service, binding->spec, ports };
	else
		usage->ports += ports;
}

/* Of each service's specs only one counts at a time: the largest is what its user may have. */
static void sum_specs(const struct spec_uses *uses, struct usage *usage)
{
	for (size_t i = 0; i < uses->n; i++) {
		const struct spec_use *one = &uses->list[i];
		bool largest = true;

		for (size_t k = 0; k < uses->n; k++) {
			const struct spec_use *other = &uses->list[k];

			if (other->service == one->service &&
			    (other->ports > one->ports || (other->ports == one->ports && k < i)))
				largest = false;
		}
		usage->ports += largest ? one->ports : 0;
	}
}

static void count_bindings(const struct sks_space *space, const uint8_t own[SKS_MAX_SERVICES],
			   struct usage *usage)
{
	uint32_t next = sks_next_epoch(space);
	struct spec_uses uses = {};

	for (uint32_t i = 0; i < space->n_bindings; i++) {
		const struct sks_binding *binding = &space->maps.bindings[i];

		if (!own[binding->service] || !sks_alive(binding->born, binding->died, next))
			continue;
		if (binding->source == SKS_FROM_SPEC)
			count_spec(&uses, binding, usage);
		else if (binding->source == SKS_FROM_CTL)
			usage->ports += binding->last - binding->first + 1u;
	}
	sum_specs(&uses, usage);
}

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
	count_bindings(space, own, usage);
	for (uint32_t i = 1; i < space->n_dests; i++) {
		const struct sks_dest *dest = &maps->dests[i];

		usage->listeners += own[dest->service] && sks_alive(dest->born, dest->died, next);
	}
	for (uint32_t i = 1; i < space->n_slots; i++) {
		usage->sockets += maps->slots[i].cookie &&
				  own[maps->dests[maps->slots[i].dest].service];
	}
}

/* As sks_policy_file_lacks(); place NULL: at every address of both families. */
static uint16_t lacks(const struct sks_peer *peer, uint8_t proto, const struct sks_prefix *place,
		      uint16_t first, uint16_t last)
{
	static const struct sks_prefix every4 = { .family = AF_INET },
				       every6 = { .family = AF_INET6 };
	uint16_t port =
		sks_policy_file_lacks(policy_file, peer->uid, proto, place ?: &every4, first, last);

	if (port || place)
		return port;
	return sks_policy_file_lacks(policy_file, peer->uid, proto, &every6, first, last);
}

static int refuse_low(const struct sks_peer *peer, const struct sks_target *target, uint16_t port,
		      const struct sks_port_limits *limits, struct sks_verdict *verdict)
{
	char text[SKS_TARGET_STRLEN];

	return sks_refuse(verdict, -EACCES,
			  "%s: port %u is for root (net.ipv4.ip_unprivileged_port_start is %u), "
			  "and %s does not grant it to user %u",
			  sks_target_format(target, text), port, limits->unprivileged_start,
			  policy_file->path, peer->uid);
}

/* Without a where it may open at any address, as the server's sockets come. */
static int check_low(const struct sks_peer *peer, const struct sks_target *target,
		     const struct sks_port_limits *limits, struct sks_verdict *verdict)
{
	bool placed = target->where == SKS_WHERE_PREFIX;
	uint16_t last = target->last, port;

	if (target->first >= limits->unprivileged_start || peer->binds_low)
		return 0;
	if (last >= limits->unprivileged_start)
		last = limits->unprivileged_start - 1;
	port = lacks(peer, target->proto, placed ? &target->where_prefix : NULL, target->first,
		     last);
	return port ? refuse_low(peer, target, port, limits, verdict) : 0;
}

static int check_target(const struct sks_peer *peer, const struct sks_target *target,
			const struct sks_port_limits *limits, struct sks_verdict *verdict)
{
	char text[SKS_TARGET_STRLEN];

	if ((uint32_t)target->last - target->first >= SKS_RANGE_EXCLUSIVE)
		return sks_refuse(verdict, -EACCES,
				  "%s: \"*\" and ranges of more than %u ports are for root",
				  sks_target_format(target, text), SKS_RANGE_EXCLUSIVE);
	return check_low(peer, target, limits, verdict);
}

static int read_limits(int netns, struct sks_port_limits *ret_limits, struct sks_verdict *verdict)
{
	int err = sks_inside_port_limits(netns, ret_limits);

	return err ? sks_refuse(verdict, err, "cannot read the namespace's port limits: %s",
				strerror(-err))
		   : 0;
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
	err = read_limits(netns, &limits, verdict);
	for (size_t i = 0; !err && i < n; i++) {
		err = check_target(peer, &targets[i], &limits, verdict);
		ports += targets[i].last - targets[i].first + 1u;
	}
	if (!err && ports > SKS_QUOTA_PORTS)
		err = refuse_quota(peer, "ports", SKS_QUOTA_PORTS, verdict);
	return err;
}

int sks_policy_open(const struct sks_peer *peer, int netns, const struct sks_target *target,
		    struct sks_verdict *verdict)
{
	const struct sks_prefix *place = &target->where_prefix;
	char text[SKS_TARGET_STRLEN];
	struct sks_port_limits limits;
	uint16_t port = target->first;
	int err;

	/* [::] is IPv4 too, whatever IPV6_V6ONLY says now: its owner may change that meanwhile. */
	if (!place->len && place->family == AF_INET6)
		place = NULL;
	if (!lacks(peer, target->proto, place, port, port))
		return 0;
	err = read_limits(netns, &limits, verdict);
	if (err)
		return err;
	if (port >= limits.unprivileged_start)
		return sks_refuse(verdict, -EACCES,
				  "%s: port %u needs no privilege "
				  "(net.ipv4.ip_unprivileged_port_start is %u), so bind(2) was "
				  "denied for another reason",
				  sks_target_format(target, text), port, limits.unprivileged_start);
	if (peer->root || peer->binds_low)
		return 0;
	return refuse_low(peer, target, port, &limits, verdict);
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
