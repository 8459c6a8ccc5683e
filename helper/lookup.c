// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the answer to who would get a packet (see lookup.h). */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "lead.h"
#include "lookup.h"
#include "slot.h"

#define TRIES 16 /* a helper may be at work, and servers come and go */

/* Where its port's routes lead, and what they would without what is left out. */
static int resolve(struct sks_lookup *lookup)
{
	const struct sks_packet *packet = &lookup->packet;
	struct sks_range port = { packet->local_port, packet->local_port };
	struct sks_ranges ranges[2] = {};
	const struct sks_scope scope = { .ranges = ranges };
	struct sks_verdict verdict = {}; /* nobody is judged */
	int err;

	ranges[packet->proto] = (struct sks_ranges){ .list = &port, .n = 1 };
	err = sks_routes_resolve(lookup->space, lookup->epoch, scope, NULL, &lookup->routes,
				 &verdict)
		      ?: sks_routes_cut(lookup->space, lookup->epoch, &lookup->routes,
					&lookup->pieces);
	if (err)
		return err;
	lookup->route = sks_lead_find(&lookup->pieces, packet->proto, &packet->local,
				      packet->local_port, packet->ifindex);
	lookup->left = sks_lead_find(&lookup->routes, packet->proto, &packet->local,
				     packet->local_port, packet->ifindex);
	if (lookup->left && lookup->route && lookup->left->binding == lookup->route->binding)
		lookup->left = NULL;
	return 0;
}

/* The destination's first socket of the packet's family, or 0. */
static uint32_t first_slot(const struct sks_lookup *lookup)
{
	uint32_t family = sks_packet_family(&lookup->packet), slot;

	if (!lookup->route || lookup->route->dest == SKS_DEST_GUARD)
		return 0;
	slot = lookup->space->maps.dests[lookup->route->dest].slot[family];
	return slot < lookup->space->n_slots ? slot : 0; /* SKS_SLOT_PASS is beyond */
}

static bool is_grouped(const struct sks_lookup *lookup)
{
	const struct sks_dest *dest = &lookup->space->maps.dests[lookup->route->dest];

	return dest->group[sks_packet_family(&lookup->packet)];
}

/* Those that came with it serve beside it: by weight or, of one process tree, by SO_REUSEPORT. */
static bool is_beside(const struct sks_lookup *lookup, uint32_t first, uint32_t slot)
{
	const struct sks_slot *a = &lookup->space->maps.slots[first];
	const struct sks_slot *b = &lookup->space->maps.slots[slot];

	if (is_grouped(lookup))
		return b->weight;
	return a->port == b->port && !memcmp(a->instance, b->instance, sizeof(a->instance));
}

/* The sockets of which the program, and the kernel, choose one. Returns how many. */
static size_t find_choices(const struct sks_lookup *lookup, uint32_t ret_slots[SKS_MAX_SLOTS])
{
	const struct sks_maps *maps = &lookup->space->maps;
	uint32_t family = sks_packet_family(&lookup->packet), slot = first_slot(lookup), first = 0;
	size_t n = 0;

	for (uint32_t i = 0; slot && slot < lookup->space->n_slots && i < SKS_MAX_SLOTS; i++) {
		if (first && maps->slots[slot].since != maps->slots[first].since)
			break; /* what they have replaced */
		if (sks_slot_lives(maps, slot)) {
			first = first ?: slot;
			if (is_beside(lookup, first, slot))
				ret_slots[n++] = slot;
		}
		slot = maps->slots[slot].next[family];
	}
	/* All with weight 0: the first serves. */
	if (!n && first)
		ret_slots[n++] = first;
	return n;
}

bool sks_lookup_is_up(const struct sks_lookup *lookup)
{
	uint32_t slots[SKS_MAX_SLOTS];

	return find_choices(lookup, slots) > 0;
}

static bool listens(const struct sks_lookup *lookup, const struct sks_held *held)
{
	return held->state == (lookup->packet.proto == SKS_TCP ? TCP_LISTEN : TCP_CLOSE);
}

/* The kernel's own word; what has ended stands in nobody's way. */
static int find(struct sks_lookup *lookup, uint32_t ifindex)
{
	int err = sks_diag_find(lookup->netns, &lookup->packet, ifindex, &lookup->found);

	lookup->is_found = !err && lookup->found.state != TCP_TIME_WAIT;
	return err == -ENOENT ? 0 : err;
}

static int list_held(struct sks_lookup *lookup)
{
	const struct sks_port_range port = { lookup->packet.local_port, lookup->packet.local_port };
	uint8_t proto = lookup->packet.proto == SKS_TCP ? IPPROTO_TCP : IPPROTO_UDP;

	return sks_diag_held(lookup->netns, proto, &port, 1, &lookup->held);
}

/* Is what was found one that a steered packet may have been given to? */
static bool is_served(const struct sks_lookup *lookup)
{
	uint32_t slot = sks_slot_find(lookup->space, lookup->found.cookie);
	uint32_t slots[SKS_MAX_SLOTS];
	size_t n = find_choices(lookup, slots);

	if (slot)
		return lookup->route && lookup->space->maps.slots[slot].dest == lookup->route->dest;
	/* One of the group that is not registered. */
	for (size_t i = 0; i < n; i++) {
		const struct sks_slot *beside = &lookup->space->maps.slots[slots[i]];

		if ((beside->port ?: lookup->space->maps.dests[beside->dest].port) ==
		    lookup->found.port)
			return true;
	}
	return false;
}

/* Where the program could not be asked: by what the kernel found, which runs it, too. */
static enum sks_verdict_kind judge_found(const struct sks_lookup *lookup)
{
	if (lookup->is_found)
		return is_served(lookup) ? SKS_LOOKUP_STEERED : SKS_LOOKUP_PASSED;
	return lookup->route ? SKS_LOOKUP_REFUSED : SKS_LOOKUP_PASSED;
}

static enum sks_verdict_kind judge(const struct sks_lookup *lookup)
{
	if (lookup->is_found && !listens(lookup, &lookup->found))
		return SKS_LOOKUP_CONNECTED;
	if (!lookup->space)
		return SKS_LOOKUP_PASSED;
	switch (lookup->said) {
	case SKS_SAID_SOCKET:
	case SKS_SAID_GROUP:
		return SKS_LOOKUP_STEERED;
	case SKS_SAID_DROP:
		return SKS_LOOKUP_REFUSED;
	case SKS_SAID_PASS:
		return SKS_LOOKUP_PASSED;
	default:
		return judge_found(lookup);
	}
}

/* "A later selection wins, and a drop loses to any": several programs may be attached. */
static bool is_overruled(const struct sks_lookup *lookup)
{
	if (!lookup->is_found || !listens(lookup, &lookup->found))
		return false;
	switch (lookup->said) {
	case SKS_SAID_SOCKET:
		return lookup->found.cookie != lookup->cookie;
	case SKS_SAID_GROUP:
		return !is_served(lookup);
	default:
		return lookup->said == SKS_SAID_DROP;
	}
}

/* Of a prefix that found no room in the port's rule (helper/compile.c), the next one counts. */
static void agree(struct sks_lookup *lookup, uint16_t dest)
{
	const struct sks_packet *packet = &lookup->packet;

	while (lookup->route && lookup->route->dest != dest) {
		struct sks_route *routes = lookup->pieces.routes;

		routes[lookup->route - routes] = routes[--lookup->pieces.n];
		lookup->route = sks_lead_find(&lookup->pieces, packet->proto, &packet->local,
					      packet->local_port, packet->ifindex);
	}
}

/* May it be any of several? Without a group of ours or the kernel's the first has everything. */
static bool is_shared(const struct sks_lookup *lookup)
{
	return is_grouped(lookup) || lookup->said != SKS_SAID_SOCKET;
}

/* Which of its service's sockets get it. */
static void see_slots(struct sks_lookup *lookup)
{
	uint32_t slot = 0;

	if (lookup->said == SKS_SAID_SOCKET)
		slot = sks_slot_find(lookup->space, lookup->cookie);
	else if (lookup->is_found && !lookup->overruled)
		slot = sks_slot_find(lookup->space, lookup->found.cookie);
	if (slot)
		agree(lookup, lookup->space->maps.slots[slot].dest);
	if (lookup->packet.remote.family == AF_UNSPEC && lookup->route && is_shared(lookup))
		lookup->n_slots = find_choices(lookup, lookup->slots);
	if (lookup->n_slots > 1)
		return;
	lookup->slots[0] = slot;
	lookup->n_slots = slot != 0;
}

static void conclude(struct sks_lookup *lookup)
{
	lookup->kind = judge(lookup);
	lookup->n_slots = 0;
	lookup->overruled = lookup->space && is_overruled(lookup);
	if (lookup->kind == SKS_LOOKUP_STEERED)
		see_slots(lookup);
}

static void forget(struct sks_lookup *lookup)
{
	sks_held_free(&lookup->held);
	sks_routes_free(&lookup->routes);
	sks_routes_free(&lookup->pieces);
	lookup->route = lookup->left = NULL;
}

static int look_once(struct sks_lookup *lookup)
{
	const struct sks_space *space = lookup->space;
	int err = 0;

	forget(lookup);
	if (space) {
		lookup->epoch = sks_epoch(&space->maps);
		err = sks_bpf_ask(space->dir, &space->maps, &lookup->packet, &lookup->said,
				  &lookup->cookie)
			      ?: resolve(lookup);
	}
	err = err ?: list_held(lookup) ?: find(lookup, -lookup->packet.ifindex);
	if (err)
		return err;
	conclude(lookup);
	/* Where the program passes it, it does not count it either. */
	return lookup->packet.ifindex && lookup->kind == SKS_LOOKUP_PASSED
		       ? find(lookup, lookup->packet.ifindex)
		       : 0;
}

/* What changed between one question and the next answers otherwise soon. */
static bool is_settled(const struct sks_lookup *lookup)
{
	if (!lookup->space)
		return true;
	if (lookup->epoch != sks_epoch(&lookup->space->maps) || lookup->overruled)
		return false;
	return lookup->said != SKS_SAID_SOCKET || lookup->n_slots;
}

int sks_lookup(struct sks_lookup *lookup)
{
	for (int tries = 0; tries < TRIES; tries++) {
		lookup->err = look_once(lookup);
		if (lookup->err || is_settled(lookup))
			break;
	}
	return lookup->err;
}

void sks_lookup_end(struct sks_lookup *lookup)
{
	forget(lookup);
}
