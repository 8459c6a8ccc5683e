// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the pieces that are left of routes without the ports that their services leave to others. */
#include <errno.h>
#include <stdlib.h>

#include "exclusive.h"
#include "resolve.h"

/* Ports that a service leaves out. */
struct gap {
	uint16_t service;
	uint8_t proto;
	uint16_t first, last;
};

struct gaps {
	struct gap *list;
	size_t n, room;
};

static int by_place(const void *pa, const void *pb)
{
	const struct gap *a = pa, *b = pb;

	return a->service - b->service ?: a->proto - b->proto ?: a->first - b->first;
}

static int add_gap(struct gaps *gaps, const struct sks_binding *binding)
{
	if (gaps->n == gaps->room) {
		size_t room = gaps->room ? 2 * gaps->room : 64;
		struct gap *more = reallocarray(gaps->list, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		gaps->list = more;
		gaps->room = room;
	}
	gaps->list[gaps->n++] = (struct gap){
		.service = binding->service,
		.proto = binding->proto,
		.first = binding->first,
		.last = binding->last,
	};
	return 0;
}

/* So that none overlaps the next. */
static void sort_gaps(struct gaps *gaps)
{
	size_t kept = 0;

	if (!gaps->n)
		return;
	qsort(gaps->list, gaps->n, sizeof(*gaps->list), by_place);
	for (size_t i = 1; i < gaps->n; i++) {
		struct gap *last = &gaps->list[kept], *gap = &gaps->list[i];

		if (gap->service != last->service || gap->proto != last->proto ||
		    gap->first > last->last)
			gaps->list[++kept] = *gap;
		else if (gap->last > last->last)
			last->last = gap->last;
	}
	gaps->n = kept + 1;
}

/* Those of the services with wide routes, sorted. */
static int find_gaps(const struct sks_space *space, uint32_t epoch, const struct sks_routes *routes,
		     struct gaps *gaps)
{
	uint8_t wide[SKS_MAX_SERVICES] = {};
	struct sks_range part;
	bool any = false;
	int err = 0;

	for (size_t i = 0; i < routes->n; i++) {
		if (!sks_route_yields(space, &routes->routes[i], &part))
			continue;
		wide[routes->routes[i].service] = 1;
		any = true;
	}
	for (uint32_t i = 0; any && !err && i < space->n_bindings; i++) {
		const struct sks_binding *binding = &space->maps.bindings[i];

		if (binding->source == SKS_LEFT_OUT && wide[binding->service] &&
		    sks_alive(binding->born, binding->died, epoch))
			err = add_gap(gaps, binding);
	}
	sort_gaps(gaps);
	return err;
}

/* The first gap of the route's that does not end before it, or where that would stand. */
static size_t first_gap(const struct gaps *gaps, const struct sks_route *route)
{
	size_t low = 0, high = gaps->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct gap *gap = &gaps->list[middle];

		if ((gap->service - route->service
			     ?: gap->proto - route->proto ?: gap->last - route->first) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Only within the part of the route that yields. */
static int cut(const struct gaps *gaps, const struct sks_route *route, const struct sks_range *part,
	       struct sks_routes *pieces)
{
	struct sks_route piece = *route;
	uint32_t at = route->first;
	int err = 0;

	for (size_t i = first_gap(gaps, route); !err && i < gaps->n; i++) {
		const struct gap *gap = &gaps->list[i];
		uint32_t first = gap->first > part->first ? gap->first : part->first;
		uint32_t last = gap->last < part->last ? gap->last : part->last;

		if (gap->service != route->service || gap->proto != route->proto ||
		    gap->first > part->last)
			break;
		if (first > last)
			continue;
		piece.first = (uint16_t)at;
		piece.last = (uint16_t)(first - 1);
		if (first > at)
			err = sks_routes_add(pieces, &piece);
		at = last + 1;
	}
	piece.first = (uint16_t)at;
	piece.last = route->last;
	return !err && at <= route->last ? sks_routes_add(pieces, &piece) : err;
}

int sks_routes_cut(const struct sks_space *space, uint32_t epoch, const struct sks_routes *routes,
		   struct sks_routes *ret_pieces)
{
	struct sks_routes pieces = {};
	struct gaps gaps = {};
	struct sks_range part;
	int err = find_gaps(space, epoch, routes, &gaps);

	for (size_t i = 0; !err && i < routes->n; i++) {
		const struct sks_route *route = &routes->routes[i];

		err = sks_route_yields(space, route, &part) ? cut(&gaps, route, &part, &pieces)
							    : sks_routes_add(&pieces, route);
	}
	free(gaps.list);
	if (err)
		sks_routes_free(&pieces);
	else
		*ret_pieces = pieces;
	return err;
}
