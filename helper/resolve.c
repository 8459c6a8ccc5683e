// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns routes: which addresses and ports each binding opens, and to which destination. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "candidates.h"
#include "resolve.h"

struct resolver {
	const struct sks_space *space;
	const struct sks_service *judged; /* whose ambiguities are refused; NULL: nobody's */
	struct sks_verdict *verdict;
	struct sks_routes routes; /* so far */
	struct sks_candidates candidates;
};

struct sks_prefix sks_binding_prefix(const struct sks_binding *binding)
{
	struct sks_prefix prefix = { .family = binding->family, .len = binding->len };

	memcpy(prefix.addr, binding->addr, sizeof(prefix.addr));
	return prefix;
}

struct sks_prefix sks_dest_addr(const struct sks_dest *dest)
{
	struct sks_prefix prefix = { .family = dest->family };

	prefix.len = dest->wildcard ? 0 : (uint8_t)sks_family_bits(dest->family);
	memcpy(prefix.addr, dest->addr, sizeof(prefix.addr));
	return prefix;
}

char *sks_route_format(const struct sks_route *route, char buf[SKS_ROUTE_STRLEN])
{
	char prefix[SKS_PREFIX_STRLEN], ports[16];

	if (route->first == route->last)
		(void)snprintf(ports, sizeof(ports), "%u", route->first);
	else
		(void)snprintf(ports, sizeof(ports), "%u-%u", route->first, route->last);
	(void)snprintf(buf, SKS_ROUTE_STRLEN, "%s:%s/%s", sks_prefix_format(&route->prefix, prefix),
		       ports, route->proto == SKS_UDP ? "udp" : "tcp");
	return buf;
}

void sks_routes_free(struct sks_routes *routes)
{
	free(routes->routes);
	*routes = (struct sks_routes){};
}

int sks_routes_add(struct sks_routes *routes, const struct sks_route *route)
{
	if (routes->n == routes->room) {
		size_t room = routes->room ? 2 * routes->room : 64;
		struct sks_route *more = reallocarray(routes->routes, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		routes->routes = more;
		routes->room = room;
	}
	routes->routes[routes->n++] = *route;
	return 0;
}

static struct sks_route base_route(const struct sks_space *space, const struct sks_binding *binding)
{
	return (struct sks_route){
		.proto = binding->proto,
		.first = binding->first,
		.last = binding->last,
		.begins = binding->first,
		.service = binding->service,
		.width = binding->all ? SKS_PORT_NUMBERS
				      : (uint32_t)binding->last - binding->first + 1,
		.born = binding->born,
		.binding = (uint32_t)(binding - space->maps.bindings),
	};
}

/* Without a where, each listener gets the ports at the place where it listens. */
static int resolve_listeners(struct resolver *resolver, const struct sks_binding *binding,
			     unsigned int family)
{
	struct sks_candidates *candidates = &resolver->candidates;
	size_t n = sks_candidates_find(candidates, binding, family);
	int err = 0;

	for (size_t i = 0; !err && i < n; i++) {
		const struct sks_dest *dest = &resolver->space->maps.dests[candidates->list[i]];
		struct sks_route route = base_route(resolver->space, binding);

		if (!dest->port)
			continue;
		route.prefix = sks_dest_addr(dest);
		route.prefix.family = sks_families[family]; /* a wildcard destination has both */
		route.dest = candidates->list[i];
		route.ifindex = dest->ifindex;
		err = sks_routes_add(&resolver->routes, &route);
	}
	return err;
}

/* The port that a server was bound to instead leads to nobody, whatever its sockets are. */
static int resolve_guard(struct resolver *resolver, const struct sks_binding *binding,
			 unsigned int family)
{
	struct sks_route route = base_route(resolver->space, binding);

	route.prefix = sks_binding_prefix(binding);
	route.dest = SKS_DEST_GUARD;
	return route.prefix.family == sks_families[family]
		       ? sks_routes_add(&resolver->routes, &route)
		       : 0;
}

/*
 * Of these n destinations the wildcard one, else the one whose address lies inside the route's
 * prefix, else the only one. Where nobody is there to be told (a binding of sksteerctl can't name a
 * listener and must not turn one away; a service that is not being changed) the oldest serves.
 */
static int choose(const struct resolver *resolver, const struct sks_binding *binding,
		  const uint16_t *numbers, size_t n, struct sks_route *route)
{
	const struct sks_dest *dests = resolver->space->maps.dests;
	uint16_t best[3] = {}; /* by rank: wildcard, inside, any */
	size_t of_rank[3] = {};
	unsigned int rank;

	for (size_t i = 0; i < n; i++) {
		const struct sks_dest *dest = &dests[numbers[i]];
		struct sks_prefix addr = sks_dest_addr(dest);

		rank = dest->wildcard ? 0 : sks_prefix_contains(&route->prefix, &addr) ? 1 : 2;
		if (!best[rank] || dest->born < dests[best[rank]].born)
			best[rank] = numbers[i];
		of_rank[rank]++;
	}
	rank = of_rank[0] ? 0 : of_rank[1] ? 1 : 2;
	if (of_rank[rank] > 1 && binding->source == SKS_FROM_SPEC &&
	    resolver->judged == &resolver->space->maps.services[binding->service])
		return -EINVAL;
	route->dest = best[rank];
	return 0;
}

static int refuse_ambiguous(const struct sks_route *route, struct sks_verdict *verdict)
{
	char text[SKS_ROUTE_STRLEN];

	return sks_refuse(verdict, -EINVAL,
			  "several sockets could serve %s: name the listener's address",
			  sks_route_format(route, text));
}

static int by_interface(const void *pa, const void *pb, void *arg)
{
	const struct sks_dest *dests = arg;
	uint16_t a = *(const uint16_t *)pa, b = *(const uint16_t *)pb;

	return (dests[a].ifindex > dests[b].ifindex) - (dests[a].ifindex < dests[b].ifindex)
		       ?: a - b;
}

/* Brings those of one interface side by side; hardly ever is there any. */
static void sort_by_interface(const struct sks_space *space, uint16_t *numbers, size_t n)
{
	bool sorted = true;

	for (size_t i = 1; sorted && i < n; i++)
		sorted = by_interface(&numbers[i - 1], &numbers[i], space->maps.dests) < 0;
	if (!sorted)
		qsort_r(numbers, n, sizeof(*numbers), by_interface, space->maps.dests);
}

/* One socket serves the prefix; of those that are bound to an interface, one for each. */
static int resolve_where(struct resolver *resolver, const struct sks_binding *binding,
			 unsigned int family)
{
	const struct sks_dest *dests = resolver->space->maps.dests;
	struct sks_route route = base_route(resolver->space, binding);
	uint16_t *numbers = resolver->candidates.list;
	size_t n;
	int err = 0;

	route.prefix = sks_binding_prefix(binding);
	if (binding->where == SKS_WHERE_ANY)
		route.prefix = (struct sks_prefix){ .family = sks_families[family] };
	if (route.prefix.family != sks_families[family])
		return 0;
	n = sks_candidates_find(&resolver->candidates, binding, family);
	sort_by_interface(resolver->space, numbers, n);
	for (size_t i = 0, end; !err && i < n; i = end) {
		route.ifindex = dests[numbers[i]].ifindex;
		for (end = i + 1; end < n && dests[numbers[end]].ifindex == route.ifindex;)
			end++;
		if (choose(resolver, binding, numbers + i, end - i, &route))
			return refuse_ambiguous(&route, resolver->verdict);
		err = sks_routes_add(&resolver->routes, &route);
	}
	return err;
}

static int resolve(struct resolver *resolver, const struct sks_binding *binding,
		   unsigned int family)
{
	if (binding->source == SKS_GUARDED)
		return resolve_guard(resolver, binding, family);
	if (binding->where == SKS_WHERE_LISTENER)
		return resolve_listeners(resolver, binding, family);
	return resolve_where(resolver, binding, family);
}

static bool in_scope(const struct sks_space *space, const struct sks_scope *scope,
		     const struct sks_binding *binding)
{
	if (scope->service && scope->service != &space->maps.services[binding->service])
		return false;
	if (scope->among && !scope->among[binding->service])
		return false;
	return !scope->ranges ||
	       sks_ranges_overlap(&scope->ranges[binding->proto], binding->first, binding->last);
}

int sks_routes_resolve(const struct sks_space *space, uint32_t epoch, struct sks_scope scope,
		       const struct sks_service *judged, struct sks_routes *ret_routes,
		       struct sks_verdict *verdict)
{
	struct resolver resolver = { .space = space, .judged = judged, .verdict = verdict };
	int err = 0;

	sks_candidates_init(&resolver.candidates, space, epoch, scope.service);
	for (uint32_t i = 0; !err && i < space->n_bindings; i++) {
		const struct sks_binding *binding = &space->maps.bindings[i];

		if (binding->source == SKS_LEFT_OUT || !in_scope(space, &scope, binding) ||
		    !sks_binding_counts(space, binding, epoch))
			continue;
		for (unsigned int family = SKS_V4; !err && family <= SKS_V6; family++)
			err = resolve(&resolver, binding, family);
	}
	if (err)
		sks_routes_free(&resolver.routes);
	else
		*ret_routes = resolver.routes;
	return err;
}
