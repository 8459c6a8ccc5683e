// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns destinations: which sockets are one, and when one is nobody's any more. */
#include <errno.h>
#include <string.h>

#include "dest.h"
#include "resolve.h"

/* A restarted server has its listeners back by then, or does not want them. */
#define STALE_MS 10000

static bool is_like(const struct sks_space *space, const struct sks_dest *dest, uint16_t service,
		    const struct sks_socket *sock)
{
	struct sks_prefix addr = sks_dest_addr(dest);

	if (!sks_in_next(space, dest) || dest->service != service || dest->proto != sock->proto ||
	    dest->port != sock->port || dest->ifindex != sock->ifindex)
		return false;
	return dest->wildcard ? !sock->addr.len : sks_prefix_equal(&addr, &sock->addr);
}

static int add(struct sks_space *space, uint16_t service, const struct sks_socket *sock,
	       struct sks_dest **ret_dest)
{
	struct sks_dest *dest;
	int err = sks_store_add_dest(space, &dest);

	if (err)
		return err;
	dest->service = service;
	dest->proto = sock->proto;
	dest->port = sock->port;
	dest->ifindex = sock->ifindex;
	dest->wildcard = !sock->addr.len;
	dest->family = sock->addr.family;
	memcpy(dest->addr, sock->addr.addr, sizeof(dest->addr));
	sks_store_mark(space, service);
	*ret_dest = dest;
	return 0;
}

/* What an earlier instance's listener served stays refused until this one's listens there too. */
static void inherit(struct sks_space *space, struct sks_dest *dest, uint32_t families)
{
	uint32_t served = sks_dest_families(dest, sks_next_epoch(space));

	for (unsigned int family = SKS_V4; family <= SKS_V6; family++) {
		if (dest->slot[family] == SKS_SLOT_PASS && families & 1u << family)
			dest->slot[family] = 0;
	}
	dest->inherited = (uint8_t)(families & ~served & SKS_SERVES_BOTH);
	sks_dest_set_families(space, dest, served | families);
}

bool sks_dest_has_socket(const struct sks_space *space, uint32_t dest)
{
	for (uint32_t i = 1; i < space->n_slots; i++) {
		if (space->maps.slots[i].cookie && space->maps.slots[i].dest == dest)
			return true;
	}
	return false;
}

bool sks_dest_has_place(const struct sks_space *space, const struct sks_service *service,
			const struct sks_socket *sock)
{
	for (uint32_t i = 1; i < space->n_dests; i++) {
		const struct sks_dest *dest = &space->maps.dests[i];
		uint32_t served = sks_dest_families(dest, sks_epoch(&space->maps));

		served &= ~(uint32_t)dest->inherited;
		if (is_like(space, dest, sks_service_number(space, service), sock) &&
		    !(sock->families & SKS_SERVES_BOTH & ~served))
			return true;
	}
	return false;
}

int sks_dest_get_standby(struct sks_space *space, const struct sks_service *service,
			 const struct sks_socket *sock, struct sks_dest **ret_dest)
{
	uint16_t number = sks_service_number(space, service);

	for (uint32_t i = 1; i < space->n_dests; i++) {
		if (!is_like(space, &space->maps.dests[i], number, sock))
			continue;
		*ret_dest = &space->maps.dests[i];
		return 0;
	}
	return add(space, number, sock, ret_dest);
}

void sks_dest_open(struct sks_space *space, struct sks_dest *dest, uint32_t families)
{
	uint32_t served = sks_dest_families(dest, sks_next_epoch(space));

	sks_dest_set_families(space, dest, served | families);
}

int sks_dest_get(struct sks_space *space, const struct sks_service *service,
		 const struct sks_socket *sock, struct sks_dest **ret_dest)
{
	uint16_t number = sks_service_number(space, service);
	uint32_t next = sks_next_epoch(space), inherited = 0;
	uint32_t since = sks_owner(service, next)->taken_over;
	struct sks_dest *found = NULL;
	int err;

	for (uint32_t i = 1; i < space->n_dests; i++) {
		struct sks_dest *dest = &space->maps.dests[i];
		bool stands_in = dest->service == number && dest->proto == sock->proto &&
				 !dest->port && sks_in_next(space, dest);
		bool like = is_like(space, dest, number, sock);

		if (like && (dest->born >= since || sks_dest_has_socket(space, i)))
			found = dest;
		else if (like || (stands_in && !sock->addr.len))
			inherited |= sks_dest_families(dest, next);
		if (stands_in || (like && found != dest))
			sks_store_kill_dest(space, dest); /* this one takes its place */
	}
	err = found ? 0 : add(space, number, sock, &found);
	if (err)
		return err;
	sks_dest_set_families(space, found, sks_dest_families(found, next) | sock->families);
	if (inherited)
		inherit(space, found, inherited);
	*ret_dest = found;
	return 0;
}

/* Which listeners' ports the service's clauses name, by protocol. */
static void see_named(const struct sks_space *space, uint16_t service,
		      uint8_t named[2][SKS_PORT_NUMBERS])
{
	uint32_t next = sks_next_epoch(space);

	for (uint32_t i = 0; i < space->n_bindings; i++) {
		const struct sks_binding *binding = &space->maps.bindings[i];

		if (binding->service == service && sks_binding_counts(space, binding, next))
			named[binding->proto][binding->listener_port] = 1;
	}
}

void sks_dests_leave(struct sks_space *space, const struct sks_service *service)
{
	const struct sks_owner *owner = sks_owner(service, sks_next_epoch(space));
	uint16_t number = sks_service_number(space, service);
	uint8_t up[SKS_MAX_DESTS], named[2][SKS_PORT_NUMBERS];
	bool seen = false;

	memset(up, 0, space->n_dests);
	for (uint32_t i = 1; i < space->n_slots; i++)
		up[space->maps.slots[i].dest] |= space->maps.slots[i].cookie != 0;
	for (uint32_t i = 1; i < space->n_dests; i++) {
		struct sks_dest *dest = &space->maps.dests[i];

		if (dest->service != number || up[i] || !sks_in_next(space, dest) ||
		    dest->port == owner->first_port[dest->proto])
			continue;
		if (!seen) {
			memset(named, 0, sizeof(named));
			see_named(space, number, named);
			seen = true;
		}
		if (!named[dest->proto][dest->port])
			sks_store_kill_dest(space, dest);
	}
}

int sks_dest_stand_in(struct sks_space *space, const struct sks_service *service, uint8_t proto)
{
	struct sks_socket nobody = {
		.proto = proto,
		.families = SKS_SERVES_BOTH,
		.addr = { .family = AF_INET6 },
	};
	uint16_t number = sks_service_number(space, service);
	struct sks_dest *dest;
	int err;

	for (uint32_t i = 1; i < space->n_dests; i++) {
		dest = &space->maps.dests[i];
		if (sks_in_next(space, dest) && dest->service == number && dest->proto == proto)
			return 0;
	}
	err = add(space, number, &nobody, &dest);
	if (err)
		return err;
	dest->slot[SKS_V4] = dest->slot[SKS_V6] = 0; /* no socket, and not none of ours */
	sks_dest_set_families(space, dest, nobody.families);
	return 0;
}

/* What the sockets and the routes of a namespace lead to. */
struct use {
	uint8_t service_up[SKS_MAX_SERVICES], dest_up[SKS_MAX_DESTS];
	uint8_t led_to[SKS_DEST_GUARD + 1]; /* which a guard's route leads to */
	uint8_t idle[SKS_MAX_SERVICES];	    /* has destinations that wait for a socket */
};

static void see_sockets(const struct sks_space *space, struct use *use)
{
	for (uint32_t i = 1; i < space->n_slots; i++) {
		const struct sks_slot *slot = &space->maps.slots[i];

		if (!slot->cookie)
			continue;
		use->dest_up[slot->dest] |= slot->families;
		use->service_up[space->maps.dests[slot->dest].service] = 1;
	}
}

static bool is_idle(const struct sks_space *space, const struct use *use, uint32_t i)
{
	const struct sks_dest *dest = &space->maps.dests[i];

	return sks_in_next(space, dest) && use->service_up[dest->service] &&
	       (!use->dest_up[i] || dest->inherited & ~use->dest_up[i]);
}

/* A number that tells which are idle, or 0: none is. */
static uint32_t see_idle(const struct sks_space *space, struct use *use)
{
	uint32_t hash = 0;

	for (uint32_t i = 1; i < space->n_dests; i++) {
		if (!is_idle(space, use, i))
			continue;
		use->idle[space->maps.dests[i].service] = 1;
		hash = (hash * 31 + i) | 1;
	}
	return hash;
}

/* Of the services that have idle ones. */
static int see_routes(const struct sks_space *space, struct use *use)
{
	const struct sks_scope scope = { .among = use->idle };
	struct sks_verdict verdict;
	struct sks_routes routes;
	int err = sks_routes_resolve(space, sks_next_epoch(space), scope, NULL, &routes, &verdict);

	if (err)
		return err;
	for (size_t i = 0; i < routes.n; i++) {
		if (routes.routes[i].dest != SKS_DEST_GUARD)
			use->led_to[routes.routes[i].dest] = 1;
	}
	sks_routes_free(&routes);
	return 0;
}

/* Nothing leads there, or it was an earlier instance's. */
static bool is_stale(const struct sks_space *space, const struct use *use, uint32_t i)
{
	const struct sks_dest *dest = &space->maps.dests[i];
	const struct sks_service *service = &space->maps.services[dest->service];

	if (!is_idle(space, use, i))
		return false;
	return use->dest_up[i] || !use->led_to[i] ||
	       dest->born < sks_owner(service, sks_next_epoch(space))->taken_over;
}

static bool has_stale(const struct sks_space *space, const struct use *use)
{
	for (uint32_t i = 1; i < space->n_dests; i++) {
		if (is_stale(space, use, i))
			return true;
	}
	return false;
}

static void drop_stale(struct sks_space *space, const struct use *use)
{
	for (uint32_t i = 1; i < space->n_dests; i++) {
		struct sks_dest *dest = &space->maps.dests[i];
		uint32_t families = sks_dest_families(dest, sks_next_epoch(space));

		if (!is_stale(space, use, i))
			continue;
		if (!use->dest_up[i]) {
			sks_store_kill_dest(space, dest);
			continue;
		}
		sks_dest_set_families(space, dest,
				      families & ~(dest->inherited & ~(uint32_t)use->dest_up[i]));
		dest->inherited = 0;
	}
}

/* Are there stale ones? Looks only where something has changed since it last looked. */
static bool look(struct sks_space *space, struct use *use, uint32_t idle)
{
	uint32_t epoch = sks_epoch(&space->maps);
	bool stale;

	if (!idle)
		return false;
	/* Sockets that come or go bring a new epoch, or at least make others idle. */
	if (space->looked.epoch == epoch && space->looked.idle == idle)
		return space->stale_since;
	if (see_routes(space, use))
		return false;
	stale = has_stale(space, use);
	space->looked.epoch = epoch;
	space->looked.idle = idle;
	return stale;
}

bool sks_dests_prune(struct sks_space *space, int64_t now_ms)
{
	struct use use = {};
	uint32_t idle;

	see_sockets(space, &use);
	idle = see_idle(space, &use);
	if (!look(space, &use, idle)) {
		space->stale_since = 0;
		return false;
	}
	if (!space->stale_since)
		space->stale_since = now_ms;
	if (now_ms - space->stale_since < STALE_MS)
		return false;
	space->stale_since = 0;
	space->looked.idle = 0;
	if (see_routes(space, &use))
		return false;
	drop_stale(space, &use);
	return true;
}
