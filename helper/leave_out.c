// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns which ports the routes of a service that yield leave to others, and the records of that. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conflict.h"
#include "exclusive.h"

/* Where a wide route leads packets from; those of one prefix do not overlap. */
struct place {
	struct sks_prefix prefix;
	uint32_t first, last;
};

/* What yields of the service's routes of one protocol. */
struct wide {
	struct place *places; /* by prefix, then by port */
	size_t n;
	bool all;				/* "*", or more ports than SKS_RANGE_EXCLUSIVE */
	bool lens[2][129];			/* by family: that some place has */
	int32_t depth[2][SKS_PORT_NUMBERS + 1]; /* by family: how many places hold the port */
};

static unsigned int family_of(const struct sks_prefix *prefix)
{
	return prefix->family == AF_INET6 ? SKS_V6 : SKS_V4;
}

static int by_prefix(const struct sks_prefix *a, const struct sks_prefix *b)
{
	return memcmp(a, b, sizeof(*a));
}

static int by_place(const void *pa, const void *pb)
{
	const struct place *a = pa, *b = pb;

	return by_prefix(&a->prefix, &b->prefix) ?: (int)a->first - (int)b->first;
}

static void merge_places(struct wide *wide)
{
	size_t kept = 0;

	qsort(wide->places, wide->n, sizeof(*wide->places), by_place);
	for (size_t i = 1; i < wide->n; i++) {
		struct place *last = &wide->places[kept], *place = &wide->places[i];

		if (by_prefix(&last->prefix, &place->prefix) || place->first > last->last + 1)
			wide->places[++kept] = *place;
		else if (place->last > last->last)
			last->last = place->last;
	}
	wide->n = wide->n ? kept + 1 : 0;
}

static void measure_depth(struct wide *wide)
{
	for (size_t i = 0; i < wide->n; i++) {
		const struct place *place = &wide->places[i];
		unsigned int family = family_of(&place->prefix);

		wide->lens[family][place->prefix.len] = true;
		wide->depth[family][place->first]++;
		wide->depth[family][place->last + 1]--;
	}
	for (unsigned int family = SKS_V4; family <= SKS_V6; family++) {
		for (uint32_t port = 1; port < SKS_PORT_NUMBERS; port++)
			wide->depth[family][port] += wide->depth[family][port - 1];
	}
}

/* Sockets of others, by protocol; they are listed once, however many services change. */
struct others {
	struct sks_held_list lists[2];
	bool listed[2];
};

/* *ret_wide is malloc'd (as are its places), or NULL: there are none of that protocol. */
static int find_wide(const struct sks_change *change, uint16_t number,
		     const struct sks_routes *routes, uint8_t proto, struct wide **ret_wide)
{
	struct sks_range part;
	struct wide *wide = NULL;

	for (size_t i = 0; i < routes->n; i++) {
		const struct sks_route *route = &routes->routes[i];

		if (route->service != number || route->proto != proto ||
		    !sks_route_yields(change->space, route, &part))
			continue;
		if (!wide) {
			wide = calloc(1, sizeof(*wide));
			*ret_wide = wide;
			if (wide)
				wide->places = calloc(routes->n - i, sizeof(*wide->places));
			if (!wide || !wide->places)
				return -ENOMEM;
		}
		wide->places[wide->n++] = (struct place){ route->prefix, part.first, part.last };
		wide->all |= route->width > SKS_RANGE_EXCLUSIVE;
	}
	if (wide) {
		merge_places(wide);
		measure_depth(wide);
	}
	return 0;
}

static void free_wide(struct wide *wide)
{
	if (wide)
		free(wide->places);
	free(wide);
}

/* The place of that very prefix that holds the port. */
static bool has_place(const struct wide *wide, const struct sks_prefix *prefix, uint32_t port)
{
	size_t low = 0, high = wide->n;

	while (low < high) { /* the first that does not end before */
		size_t middle = low + (high - low) / 2;
		const struct place *place = &wide->places[middle];

		if ((by_prefix(&place->prefix, prefix) ?: (int)place->last - (int)port) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < wide->n && !by_prefix(&wide->places[low].prefix, prefix) &&
	       wide->places[low].first <= port;
}

static struct sks_prefix shorten(const struct sks_prefix *addr, unsigned int len)
{
	struct sks_prefix prefix = { .family = addr->family, .len = (uint8_t)len };

	memcpy(prefix.addr, addr->addr, len / 8);
	if (len % 8)
		prefix.addr[len / 8] = addr->addr[len / 8] & (uint8_t)(0xff00 >> len % 8);
	return prefix;
}

/* Would packets that a wide route takes reach this socket, were it not for us? */
static bool is_reached(const struct wide *wide, const struct sks_held *held)
{
	unsigned int family = family_of(&held->addr);

	if (held->both_families)
		return wide->depth[SKS_V4][held->port] || wide->depth[SKS_V6][held->port];
	if (!wide->depth[family][held->port] || !held->addr.len)
		return wide->depth[family][held->port];
	for (unsigned int len = 0; len <= held->addr.len; len++) {
		struct sks_prefix prefix;

		if (!wide->lens[family][len])
			continue;
		prefix = shorten(&held->addr, len);
		if (has_place(wide, &prefix, held->port))
			return true;
	}
	return false;
}

static int list_others(const struct sks_change *change, uint8_t proto, struct others *others)
{
	int err = 0;

	if (!others->listed[proto])
		err = sks_conflict_held(change, proto, NULL, 0, &others->lists[proto]);
	others->listed[proto] = !err;
	return err;
}

static void free_others(struct others *others)
{
	sks_held_free(&others->lists[SKS_TCP]);
	sks_held_free(&others->lists[SKS_UDP]);
}

/* Marks the ports of one protocol that the service's wide routes must not take. */
static int mark(const struct sks_change *change, uint16_t number, const struct wide *wide,
		uint8_t proto, struct others *others, uint8_t marks[SKS_PORT_NUMBERS + 1])
{
	const struct sks_held_list *list = &others->lists[proto];
	struct sks_range local;
	int err = list_others(change, proto, others);

	if (err)
		return err;
	for (size_t i = 0; i < list->n; i++) {
		/* Most that are idle become clients, or listen soon. */
		if (list->held[i].idle || list->held[i].service == number + 1u)
			continue;
		marks[list->held[i].port] |= is_reached(wide, &list->held[i]);
	}
	if (proto != SKS_UDP || !wide->all)
		return 0;
	/* A reply to a local client would be steered back to the server, for ever. */
	local = sks_local_ports(change->space);
	memset(marks + local.first, 1, local.last - local.first + 1);
	return 0;
}

/* *ret_marks is malloc'd, or NULL: there is nothing to leave out. */
static int find_marks(const struct sks_change *change, uint16_t number,
		      const struct sks_routes *routes, uint8_t proto, struct others *others,
		      uint8_t **ret_marks)
{
	struct wide *wide = NULL;
	int err = find_wide(change, number, routes, proto, &wide);

	if (!err && wide) {
		*ret_marks = calloc(SKS_PORT_NUMBERS + 1, 1);
		err = *ret_marks ? mark(change, number, wide, proto, others, *ret_marks) : -ENOMEM;
		if (!err)
			(*ret_marks)[0] = (*ret_marks)[SKS_PORT_NUMBERS] = 0;
	}
	free_wide(wide);
	return err;
}

/* Is that all of a row of marks? */
static bool is_row(const uint8_t marks[SKS_PORT_NUMBERS + 1], uint32_t first, uint32_t last)
{
	return first && !marks[first - 1] && !marks[last + 1] &&
	       !memchr(marks + first, 0, last - first + 1);
}

/* A record that says what the marks say stays, and takes its marks; others go. */
static void keep(struct sks_space *space, uint16_t number, uint8_t *const marks[2])
{
	uint32_t next = sks_next_epoch(space);

	for (uint32_t i = 0; i < space->n_bindings; i++) {
		struct sks_binding *binding = &space->maps.bindings[i];
		uint8_t *row = marks[binding->proto];

		if (binding->source != SKS_LEFT_OUT || binding->service != number ||
		    !sks_alive(binding->born, binding->died, next))
			continue;
		if (row && is_row(row, binding->first, binding->last))
			memset(row + binding->first, 0, binding->last - binding->first + 1u);
		else
			sks_store_kill_binding(space, binding);
	}
}

static int add(struct sks_change *change, uint16_t number, uint8_t proto,
	       const uint8_t marks[SKS_PORT_NUMBERS + 1])
{
	for (uint32_t port = 1; port < SKS_PORT_NUMBERS; port++) {
		struct sks_binding *binding;
		int err;

		if (!marks[port])
			continue;
		err = sks_store_add_binding(change->space, SKS_LEFT_OUT, &binding);
		if (err)
			return sks_refuse_room(change->verdict, err, "bindings", SKS_MAX_BINDINGS);
		binding->service = number;
		binding->proto = proto;
		binding->first = (uint16_t)port;
		while (marks[port + 1])
			port++;
		binding->last = (uint16_t)port;
	}
	return 0;
}

static int leave_out(struct sks_change *change, uint16_t number, const struct sks_routes *routes,
		     struct others *others)
{
	struct sks_space *space = change->space;
	uint8_t *marks[2] = {};
	int err = 0;

	for (uint8_t proto = SKS_TCP; !err && proto <= SKS_UDP; proto++)
		err = find_marks(change, number, routes, proto, others, &marks[proto]);
	if (!err && space->maps.services[number].born != sks_next_epoch(space))
		keep(space, number, marks);
	for (uint8_t proto = SKS_TCP; !err && proto <= SKS_UDP; proto++)
		err = marks[proto] ? add(change, number, proto, marks[proto]) : 0;
	free(marks[SKS_TCP]);
	free(marks[SKS_UDP]);
	return err;
}

/* Which of many services leave anything out, or did? Most don't. */
static void find_leaving(const struct sks_change *change, const struct sks_routes *routes,
			 uint8_t leave[SKS_MAX_SERVICES])
{
	const struct sks_space *space = change->space;
	struct sks_range part;

	for (size_t i = 0; i < routes->n; i++)
		leave[routes->routes[i].service] |=
			sks_route_yields(space, &routes->routes[i], &part);
	for (uint32_t i = 0; i < space->n_bindings; i++) {
		const struct sks_binding *binding = &space->maps.bindings[i];

		leave[binding->service] |= binding->source == SKS_LEFT_OUT && binding->born;
	}
}

int sks_conflict_leave_out(struct sks_change *change, const struct sks_routes *routes)
{
	uint8_t leave[SKS_MAX_SERVICES] = {};
	struct others others = {};
	int err = 0;

	if (change->among)
		find_leaving(change, routes, leave);
	else
		leave[sks_service_number(change->space, change->service)] = 1;
	for (uint32_t i = 0; !err && i < change->space->n_services; i++) {
		if (leave[i] && sks_changes(change, (uint16_t)i))
			err = leave_out(change, (uint16_t)i, routes, &others);
	}
	free_others(&others);
	return err;
}
