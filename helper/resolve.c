// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns routes: which addresses and ports each binding opens, and to which destination. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolve.h"

/* The records of a namespace as one epoch has them. */
struct view {
	const struct sks_space *space;
	uint32_t epoch;
	const struct sks_service *judged; /* whose ambiguities are refused; NULL: nobody's */
	uint8_t up[SKS_MAX_DESTS];	  /* SKS_SERVES_...: the families that have a socket */
};

static const uint8_t families[2] = { [SKS_V4] = AF_INET, [SKS_V6] = AF_INET6 };

struct sks_prefix sks_binding_prefix(const struct sks_binding *binding)
{
	struct sks_prefix prefix = { .family = binding->family, .len = binding->len };

	memcpy(prefix.addr, binding->addr, sizeof(prefix.addr));
	return prefix;
}

static struct sks_prefix listener_prefix(const struct sks_binding *binding)
{
	struct sks_prefix prefix = { .family = binding->listener_family,
				     .len = binding->listener_len };

	memcpy(prefix.addr, binding->listener_addr, sizeof(prefix.addr));
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

static int add_route(struct sks_routes *routes, const struct sks_route *route)
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

/* Which families of the destination's a clause that names this wildcard address means. */
static bool serves_as(uint32_t served, const struct sks_prefix *wanted, unsigned int family)
{
	if (wanted->len)
		return false;
	if (wanted->family == families[family])
		return family == SKS_V6 || served & SKS_SERVES_AS_V4;
	/* [::]: IPv4 too, where the socket is dual-stack. */
	return family == SKS_V4 && served & SKS_SERVES_AS_V6;
}

/* Is this one of the listeners that the binding speaks of, for this family? */
static bool is_candidate(const struct view *view, const struct sks_binding *binding,
			 const struct sks_dest *dest, unsigned int family)
{
	const struct sks_service *service = &view->space->maps.services[binding->service];
	struct sks_prefix wanted = listener_prefix(binding), addr = sks_dest_addr(dest);
	uint32_t served = sks_dest_families(dest, view->epoch);

	if (!sks_alive(dest->born, dest->died, view->epoch) || dest->service != binding->service ||
	    dest->proto != binding->proto || !(served & 1u << family))
		return false;
	if (!binding->listener_port)
		return dest->port == sks_owner(service, view->epoch)->first_port[dest->proto];
	if (dest->port != binding->listener_port)
		return false;
	if (wanted.family == AF_UNSPEC)
		return true;
	return dest->wildcard ? serves_as(served, &wanted, family)
			      : sks_prefix_equal(&wanted, &addr);
}

/*
 * A listener that closed, or moved elsewhere, keeps what it had, so that no stranger gets it; but
 * not from one that is there.
 */
static bool is_up(const struct view *view, uint32_t dest, unsigned int family)
{
	return view->up[dest] & 1u << family || view->space->maps.dests[dest].born == view->epoch;
}

static bool has_up_candidate(const struct view *view, const struct sks_binding *binding,
			     unsigned int family)
{
	for (uint32_t i = 1; i < view->space->n_dests; i++) {
		if (is_up(view, i, family) &&
		    is_candidate(view, binding, &view->space->maps.dests[i], family))
			return true;
	}
	return false;
}

static struct sks_route base_route(const struct view *view, const struct sks_binding *binding)
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
		.binding = (uint32_t)(binding - view->space->maps.bindings),
	};
}

/* Without a where, each listener gets the ports at the place where it listens. */
static int resolve_listeners(const struct view *view, const struct sks_binding *binding,
			     unsigned int family, struct sks_routes *routes)
{
	bool up = has_up_candidate(view, binding, family);
	int err = 0;

	for (uint32_t i = 1; !err && i < view->space->n_dests; i++) {
		const struct sks_dest *dest = &view->space->maps.dests[i];
		struct sks_route route = base_route(view, binding);

		if (!dest->port || !is_candidate(view, binding, dest, family) ||
		    (up && !is_up(view, i, family)))
			continue;
		route.prefix = sks_dest_addr(dest);
		route.prefix.family = families[family]; /* a wildcard destination has both */
		route.dest = (uint16_t)i;
		route.ifindex = dest->ifindex;
		err = add_route(routes, &route);
	}
	return err;
}

/*
 * The wildcard listener, else the one whose address lies inside where, else the only one. Where
 * nobody is there to be told (a binding of sksteerctl can't name a listener and must not turn one
 * away; a service that is not being changed) the oldest serves.
 */
static int choose(const struct view *view, const struct sks_binding *binding, unsigned int family,
		  const struct sks_prefix *where, uint32_t ifindex, uint32_t *ret_dest)
{
	const struct sks_dest *dests = view->space->maps.dests;
	bool up = has_up_candidate(view, binding, family);
	uint32_t best[3] = {}; /* by rank: wildcard, inside, any */
	unsigned int n[3] = {};

	for (uint32_t i = 1; i < view->space->n_dests; i++) {
		struct sks_prefix addr = sks_dest_addr(&dests[i]);
		unsigned int rank = dests[i].wildcard			? 0
				    : sks_prefix_contains(where, &addr) ? 1
									: 2;

		if (dests[i].ifindex != ifindex ||
		    !is_candidate(view, binding, &dests[i], family) ||
		    (up && !is_up(view, i, family)))
			continue;
		if (!best[rank] || dests[i].born < dests[best[rank]].born)
			best[rank] = i;
		n[rank]++;
	}
	for (unsigned int rank = 0; rank < 3; rank++) {
		if (n[rank] > 1 && binding->source == SKS_FROM_SPEC &&
		    view->judged == &view->space->maps.services[binding->service])
			return -EINVAL;
		if (n[rank]) {
			*ret_dest = best[rank];
			return 0;
		}
	}
	*ret_dest = 0;
	return 0;
}

static int refuse_ambiguous(const struct sks_route *route, struct sks_verdict *verdict)
{
	char text[SKS_ROUTE_STRLEN];

	return sks_refuse(verdict, -EINVAL,
			  "several sockets could serve %s: name the listener's address",
			  sks_route_format(route, text));
}

/* Is there no candidate before this one that is bound to the same interface, or to none as well? */
static bool is_first_there(const struct view *view, const struct sks_binding *binding,
			   unsigned int family, uint32_t dest)
{
	const struct sks_dest *dests = view->space->maps.dests;

	if (!is_candidate(view, binding, &dests[dest], family))
		return false;
	for (uint32_t i = 1; i < dest; i++) {
		if (dests[i].ifindex == dests[dest].ifindex &&
		    is_candidate(view, binding, &dests[i], family))
			return false;
	}
	return true;
}

/* One socket serves the prefix; of those that are bound to an interface, one for each. */
static int resolve_where(const struct view *view, const struct sks_binding *binding,
			 unsigned int family, struct sks_routes *routes,
			 struct sks_verdict *verdict)
{
	struct sks_route route = base_route(view, binding);
	int err = 0;

	route.prefix = sks_binding_prefix(binding);
	if (binding->where == SKS_WHERE_ANY)
		route.prefix = (struct sks_prefix){ .family = families[family] };
	if (route.prefix.family != families[family])
		return 0;
	for (uint32_t i = 1; !err && i < view->space->n_dests; i++) {
		uint32_t dest = 0;

		if (!is_first_there(view, binding, family, i))
			continue;
		route.ifindex = view->space->maps.dests[i].ifindex;
		if (choose(view, binding, family, &route.prefix, route.ifindex, &dest))
			return refuse_ambiguous(&route, verdict);
		route.dest = (uint16_t)dest;
		if (dest)
			err = add_route(routes, &route);
	}
	return err;
}

static void see_sockets(struct view *view)
{
	const struct sks_slot *slots = view->space->maps.slots;

	for (uint32_t i = 1; i < view->space->n_slots; i++) {
		if (slots[i].cookie)
			view->up[slots[i].dest] |= slots[i].families;
	}
}

int sks_routes_resolve(const struct sks_space *space, uint32_t epoch,
		       const struct sks_service *judged, struct sks_routes *ret_routes,
		       struct sks_verdict *verdict)
{
	struct view view = { .space = space, .epoch = epoch, .judged = judged };
	struct sks_routes routes = {};
	int err = 0;

	see_sockets(&view);
	for (uint32_t i = 0; !err && i < space->n_bindings; i++) {
		const struct sks_binding *binding = &space->maps.bindings[i];

		if (!sks_alive(binding->born, binding->died, epoch) ||
		    binding->source == SKS_LEFT_OUT)
			continue;
		for (unsigned int family = SKS_V4; !err && family <= SKS_V6; family++)
			err = binding->where == SKS_WHERE_LISTENER
				      ? resolve_listeners(&view, binding, family, &routes)
				      : resolve_where(&view, binding, family, &routes, verdict);
	}
	if (err)
		sks_routes_free(&routes);
	else
		*ret_routes = routes;
	return err;
}

static int cut(const struct sks_space *space, const struct sks_route *route,
	       struct sks_routes *pieces)
{
	uint8_t *left_out = calloc(SKS_PORT_NUMBERS + 1, 1);
	struct sks_route piece = *route;
	int err = 0;

	if (!left_out)
		return -ENOMEM;
	for (uint32_t i = 0; i < space->n_bindings; i++) {
		const struct sks_binding *binding = &space->maps.bindings[i];

		if (binding->source == SKS_LEFT_OUT && sks_in_next(space, binding) &&
		    binding->service == route->service && binding->proto == route->proto)
			memset(left_out + binding->first, 1, binding->last - binding->first + 1u);
	}
	for (uint32_t port = route->first; !err && port <= route->last; port++) {
		if (left_out[port])
			continue;
		piece.first = (uint16_t)port;
		while (port < route->last && !left_out[port + 1])
			port++;
		piece.last = (uint16_t)port;
		err = add_route(pieces, &piece);
	}
	free(left_out);
	return err;
}

int sks_routes_cut(const struct sks_space *space, const struct sks_routes *routes,
		   struct sks_routes *ret_pieces)
{
	struct sks_routes pieces = {};
	int err = 0;

	for (size_t i = 0; !err && i < routes->n; i++)
		err = sks_route_yields(&routes->routes[i]) ? cut(space, &routes->routes[i], &pieces)
							   : add_route(&pieces, &routes->routes[i]);
	if (err)
		sks_routes_free(&pieces);
	else
		*ret_pieces = pieces;
	return err;
}
