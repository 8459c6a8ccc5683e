// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns what belongs to others: sockets that hold ports already, and other services' routes. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "conflict.h"
#include "diag.h"
#include "inside.h"
#include "slot.h"

static const uint8_t ip_proto[2] = { [SKS_TCP] = IPPROTO_TCP, [SKS_UDP] = IPPROTO_UDP };

static bool ports_overlap(const struct sks_route *a, const struct sks_route *b)
{
	return a->first <= b->last && b->first <= a->last;
}

static bool same_target(const struct sks_route *a, const struct sks_route *b)
{
	return a->proto == b->proto && a->first == b->first && a->last == b->last &&
	       sks_prefix_equal(&a->prefix, &b->prefix);
}

/* Would packets for the prefix reach this socket, were it not for us? */
static bool holds_address(const struct sks_held *held, const struct sks_prefix *prefix)
{
	return held->both_families || sks_prefix_intersects(&held->addr, prefix);
}

static bool is_own(const struct sks_change *change, const struct sks_held *held)
{
	uint32_t slot = sks_slot_find(change->space, held->cookie);

	if (change->socket && change->socket->cookie == held->cookie)
		return true;
	return slot && sks_service_of_slot(change->space, slot) == change->service;
}

static int refuse_held(const struct sks_change *change, const struct sks_route *route,
		       const struct sks_held *held)
{
	char text[SKS_ROUTE_STRLEN], addr[SKS_PREFIX_STRLEN];

	return sks_refuse(change->verdict, -EADDRINUSE,
			  "%s: port %u is held by a socket of user %u on %s",
			  sks_route_format(route, text), held->port, held->uid,
			  held->addr.len ? sks_prefix_format(&held->addr, addr) : "every address");
}

/* A user may take ports from its own other servers, but hardly by intention. */
static void remark_own(const struct sks_change *change, const struct sks_held *held)
{
	if (!*change->verdict->text && (!change->socket || held->port != change->socket->port))
		sks_remark(change->verdict,
			   "another socket of user %u holds port %u and no longer gets new "
			   "connections",
			   held->uid, held->port);
}

static int check_held(const struct sks_change *change, const struct sks_route *route,
		      const struct sks_held_list *list)
{
	if (sks_route_yields(route))
		return 0;
	for (size_t i = 0; i < list->n; i++) {
		const struct sks_held *held = &list->held[i];

		if (held->port < route->first || held->port > route->last ||
		    !holds_address(held, &route->prefix) || is_own(change, held))
			continue;
		if (change->peer->root && route->prefix.len && !held->addr.len)
			continue; /* the longer prefix wins */
		if (held->uid != change->peer->uid)
			return refuse_held(change, route, held);
		remark_own(change, held);
	}
	return 0;
}

static int check_other(const struct sks_change *change, const struct sks_route *route,
		       const struct sks_route *other)
{
	const struct sks_service *service = &change->space->maps.services[other->service];
	bool own = service->uid == change->peer->uid, root = change->peer->root;
	char text[SKS_ROUTE_STRLEN];

	if (other->proto != route->proto || !ports_overlap(route, other) ||
	    !sks_prefix_intersects(&route->prefix, &other->prefix) ||
	    (route->ifindex && other->ifindex && route->ifindex != other->ifindex))
		return 0;
	if ((!same_target(route, other) || route->ifindex != other->ifindex) &&
	    (own || root || sks_route_yields(route) || sks_route_yields(other)))
		return 0; /* precedence decides */
	return sks_refuse(change->verdict, -EADDRINUSE, "%s is steered to %s%s%s already",
			  sks_route_format(other, text),
			  own || root ? "\"" : "another user's service",
			  own || root ? service->label : "", own || root ? "\"" : "");
}

static int by_target(const void *pa, const void *pb)
{
	const struct sks_route *a = pa, *b = pb;

	return a->service - b->service ?: a->proto - b->proto ?: a->first - b->first ?:
	       a->last - b->last ?: memcmp(&a->prefix, &b->prefix, sizeof(a->prefix)) ?:
	       (a->ifindex > b->ifindex) - (a->ifindex < b->ifindex);
}

/* routes are sorted by_target. */
static bool is_listed(const struct sks_routes *routes, const struct sks_route *route)
{
	return routes->n && bsearch(route, routes->routes, routes->n, sizeof(*route), by_target);
}

static int check_route(const struct sks_change *change, const struct sks_route *route,
		       const struct sks_routes *routes, const struct sks_held_list *lists)
{
	int err = check_held(change, route, &lists[route->proto]);

	for (size_t i = 0; !err && i < routes->n; i++) {
		if (routes->routes[i].service != route->service)
			err = check_other(change, route, &routes->routes[i]);
	}
	return err;
}

static int list_held(const struct sks_change *change, uint8_t proto, struct sks_held_list *ret_list)
{
	int err = sks_diag_held(change->netns, ip_proto[proto], ret_list);

	if (err)
		return sks_refuse(change->verdict, err, "cannot list the namespace's sockets: %s",
				  strerror(-err));
	return 0;
}

int sks_conflict_check(struct sks_change *change, const struct sks_routes *routes)
{
	struct sks_held_list lists[2] = {};
	bool listed[2] = {};
	struct sks_routes current = {};
	uint16_t number = sks_service_number(change->space, change->service);
	int err = sks_routes_resolve(change->space, sks_epoch(&change->space->maps), NULL, &current,
				     change->verdict);

	if (current.n)
		qsort(current.routes, current.n, sizeof(*current.routes), by_target);
	for (size_t i = 0; !err && i < routes->n; i++) {
		const struct sks_route *route = &routes->routes[i];

		/* What the service has already, it keeps. */
		if (route->service != number || is_listed(&current, route))
			continue;
		if (!listed[route->proto])
			err = list_held(change, route->proto, &lists[route->proto]);
		listed[route->proto] = true;
		if (!err)
			err = check_route(change, route, routes, lists);
	}
	sks_held_free(&lists[SKS_TCP]);
	sks_held_free(&lists[SKS_UDP]);
	sks_routes_free(&current);
	return err;
}

/* Marks the ports of one protocol that the service's wide routes must not take. */
static int mark_left_out(struct sks_change *change, const struct sks_routes *wide, uint8_t proto,
			 uint8_t marks[SKS_PORT_NUMBERS])
{
	struct sks_held_list list = {};
	struct sks_port_limits limits;
	int err = list_held(change, proto, &list);

	if (err)
		return err;
	for (size_t i = 0; i < list.n; i++) {
		const struct sks_held *held = &list.held[i];

		for (size_t k = 0; k < wide->n && !marks[held->port]; k++) {
			const struct sks_route *route = &wide->routes[k];

			marks[held->port] = route->proto == proto && held->port >= route->first &&
					    held->port <= route->last &&
					    holds_address(held, &route->prefix) &&
					    !is_own(change, held);
		}
	}
	sks_held_free(&list);
	if (proto != SKS_UDP)
		return 0;
	/* A reply to a local client would be steered back to the server, for ever. */
	err = sks_inside_port_limits(change->netns, &limits);
	if (err)
		return sks_refuse(change->verdict, err, "cannot read the namespace's port limits");
	memset(marks + limits.local_first, 1, limits.local_last - limits.local_first + 1u);
	return 0;
}

static int write_left_out(struct sks_change *change, uint8_t proto,
			  const uint8_t marks[SKS_PORT_NUMBERS])
{
	for (uint32_t port = 1; port < SKS_PORT_NUMBERS; port++) {
		struct sks_binding *binding;

		if (!marks[port])
			continue;
		binding = sks_store_add_binding(change->space);
		if (!binding)
			return sks_refuse(change->verdict, -ENOSPC,
					  "this namespace has no room for more bindings (%u)",
					  SKS_MAX_BINDINGS);
		binding->service = sks_service_number(change->space, change->service);
		binding->source = SKS_LEFT_OUT;
		binding->proto = proto;
		binding->first = (uint16_t)port;
		while (port + 1 < SKS_PORT_NUMBERS && marks[port + 1])
			port++;
		binding->last = (uint16_t)port;
	}
	return 0;
}

static void forget_left_out(struct sks_change *change)
{
	struct sks_space *space = change->space;

	for (uint32_t i = 0; i < space->n_bindings; i++) {
		struct sks_binding *binding = &space->maps.bindings[i];

		if (binding->source == SKS_LEFT_OUT && sks_in_next(space, binding) &&
		    binding->service == sks_service_number(space, change->service))
			sks_store_kill_binding(space, binding);
	}
}

/* The service's wide routes; borrowed places in *ret_wide, which the caller frees. */
static int wide_routes(const struct sks_change *change, const struct sks_routes *routes,
		       struct sks_routes *ret_wide)
{
	uint16_t number = sks_service_number(change->space, change->service);

	*ret_wide =
		(struct sks_routes){ .routes = calloc(routes->n + 1, sizeof(struct sks_route)) };
	if (!ret_wide->routes)
		return -ENOMEM;
	for (size_t i = 0; i < routes->n; i++) {
		if (routes->routes[i].service == number && sks_route_yields(&routes->routes[i]))
			ret_wide->routes[ret_wide->n++] = routes->routes[i];
	}
	return 0;
}

int sks_conflict_leave_out(struct sks_change *change, const struct sks_routes *routes)
{
	uint8_t *marks = NULL;
	struct sks_routes wide;
	int err = wide_routes(change, routes, &wide);

	if (err)
		return err;
	forget_left_out(change);
	for (uint8_t proto = SKS_TCP; !err && proto <= SKS_UDP; proto++) {
		size_t n = 0;

		for (size_t i = 0; i < wide.n; i++)
			n += wide.routes[i].proto == proto;
		if (!n)
			continue;
		free(marks);
		marks = calloc(SKS_PORT_NUMBERS, 1);
		err = marks ? mark_left_out(change, &wide, proto, marks) : -ENOMEM;
		if (!err)
			err = write_left_out(change, proto, marks);
	}
	free(marks);
	sks_routes_free(&wide);
	return err;
}
