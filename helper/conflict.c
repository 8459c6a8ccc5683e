// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns what belongs to others: sockets that hold ports already, and other services' routes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "claims.h"
#include "conflict.h"
#include "exclusive.h"
#include "policy.h"
#include "probe.h"

#define TRIES_MAX 8 /* at ports and addresses; a list takes no longer */

static size_t held_from(const struct sks_held_list *list, uint32_t port)
{
	size_t low = 0, high = list->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list->held[middle].port < port)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
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

static bool yields_at(const struct sks_space *space, const struct sks_route *route, uint32_t port)
{
	struct sks_range part;

	return sks_route_yields(space, route, &part) && port >= part.first && port <= part.last;
}

static int check_held(const struct sks_change *change, const struct sks_route *route,
		      const struct sks_held_list *list)
{
	bool shadows = sks_policy_shadows(change->peer);

	for (size_t i = held_from(list, route->first); i < list->n; i++) {
		const struct sks_held *held = &list->held[i];

		if (held->port > route->last)
			break;
		/* Would packets for the prefix reach this socket, were it not for us? */
		if (!held->both_families && !sks_prefix_intersects(&held->addr, &route->prefix))
			continue;
		if (held->service == route->service + 1u ||
		    yields_at(change->space, route, held->port) ||
		    (shadows && route->prefix.len && !held->addr.len))
			continue; /* the longer prefix wins */
		if (held->uid != change->peer->uid)
			return refuse_held(change, route, held);
		if (held->idle)
			continue; /* is only being made */
		/* A guarded port is often that of a group of the server's own. */
		if (route->dest != SKS_DEST_GUARD)
			remark_own(change, held);
	}
	return 0;
}

/* The routes that the change brings, of all that there are. */
struct fresh {
	const struct sks_routes *routes;
	uint8_t *is; /* for each of the routes */
	const struct sks_route **sorted;
	size_t n;
};

static int by_target(const struct sks_route *a, const struct sks_route *b)
{
	return a->proto - b->proto ?: a->first - b->first ?: a->last - b->last ?:
	       memcmp(&a->prefix, &b->prefix, sizeof(a->prefix)) ?:
	       (a->ifindex > b->ifindex) - (a->ifindex < b->ifindex);
}

static int sort_by_target(const void *pa, const void *pb)
{
	return by_target(*(const struct sks_route *const *)pa,
			 *(const struct sks_route *const *)pb);
}

/* The first of the sorted ones that is not before the route. */
static size_t find_fresh(const struct fresh *fresh, const struct sks_route *route)
{
	size_t low = 0, high = fresh->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (by_target(fresh->sorted[middle], route) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void sort_fresh(struct fresh *fresh)
{
	fresh->n = 0;
	for (size_t i = 0; i < fresh->routes->n; i++) {
		if (fresh->is[i])
			fresh->sorted[fresh->n++] = &fresh->routes->routes[i];
	}
	qsort(fresh->sorted, fresh->n, sizeof(struct sks_route *), sort_by_target);
}

static bool is_same(const struct sks_route *a, const struct sks_route *b)
{
	return a->service == b->service && !by_target(a, b);
}

/*
 * Those of the changing services that none of the current ones equals: what it has already, each
 * keeps. Most come of a record that had them before, and both lists are in the order of the
 * records; the others are looked up.
 */
static void find_new(const struct sks_change *change, struct fresh *fresh,
		     const struct sks_routes *current)
{
	size_t at = 0;

	for (size_t i = 0; i < fresh->routes->n; i++) {
		const struct sks_route *route = &fresh->routes->routes[i];

		if (!sks_changes(change, route->service))
			continue;
		while (at < current->n && current->routes[at].binding < route->binding)
			at++;
		if (at < current->n && is_same(&current->routes[at], route))
			at++;
		else
			fresh->is[i] = 1;
	}
	sort_fresh(fresh);
	for (size_t i = 0; fresh->n && i < current->n; i++) {
		size_t k = find_fresh(fresh, &current->routes[i]);

		for (; k < fresh->n && !by_target(fresh->sorted[k], &current->routes[i]); k++) {
			if (is_same(fresh->sorted[k], &current->routes[i]))
				fresh->is[fresh->sorted[k] - fresh->routes->routes] = 0;
		}
	}
	sort_fresh(fresh);
}

static bool overlap(const struct sks_route *a, const struct sks_route *b)
{
	return a->proto == b->proto && a->first <= b->last && b->first <= a->last &&
	       sks_prefix_intersects(&a->prefix, &b->prefix) &&
	       (!a->ifindex || !b->ifindex || a->ifindex == b->ifindex);
}

/* Is there a port that both have, and that is exclusive in both? */
static bool meet(const struct sks_space *space, const struct sks_route *a,
		 const struct sks_route *b)
{
	struct sks_range of_a[2], of_b[2];
	size_t n_a = sks_route_exclusive(space, a, of_a), n_b = sks_route_exclusive(space, b, of_b);

	for (size_t i = 0; overlap(a, b) && i < n_a * n_b; i++) {
		const struct sks_range *one = &of_a[i / n_b], *two = &of_b[i % n_b];

		if (one->first <= two->last && two->first <= one->last)
			return true;
	}
	return false;
}

/* Does another user's exclusive route meet an exclusive one of the fresh ones? */
static bool meets_exclusive(const struct sks_space *space, const struct fresh *fresh,
			    const struct sks_route *other)
{
	/* Exclusive ones that reach it begin less than that before it. */
	struct sks_route from = {
		.proto = other->proto,
		.first = other->first < SKS_RANGE_EXCLUSIVE
				 ? 0
				 : (uint16_t)(other->first - SKS_RANGE_EXCLUSIVE + 1),
	};

	for (size_t i = find_fresh(fresh, &from); i < fresh->n; i++) {
		const struct sks_route *route = fresh->sorted[i];

		if (route->proto != other->proto || route->first > other->last)
			break;
		if (meet(space, route, other))
			return true;
	}
	return false;
}

/* Does a fresh one of another service say the same? */
static bool is_taken(const struct fresh *fresh, const struct sks_route *other)
{
	size_t i = find_fresh(fresh, other);

	while (i < fresh->n && is_same(fresh->sorted[i], other))
		i++;
	return i < fresh->n && !by_target(fresh->sorted[i], other);
}

static int check_other(const struct sks_change *change, const struct fresh *fresh,
		       const struct sks_route *other)
{
	const struct sks_service *service = &change->space->maps.services[other->service];
	bool own = service->uid == change->peer->uid, root = change->peer->root;
	char text[SKS_ROUTE_STRLEN];

	/* Where they are not the very same, precedence decides, but for other users' exclusive. */
	if (!is_taken(fresh, other) &&
	    (own || root || !meets_exclusive(change->space, fresh, other)))
		return 0;
	return sks_refuse(change->verdict, -EADDRINUSE, "%s is steered to %s%s%s already",
			  sks_route_format(other, text),
			  own || root ? "\"" : "another user's service",
			  own || root ? service->label : "", own || root ? "\"" : "");
}

/* Is it one that the change brings of that protocol? */
static bool is_fresh(const struct fresh *fresh, size_t i, uint8_t proto)
{
	return fresh->is[i] && fresh->routes->routes[i].proto == proto;
}

/* The socket that is being registered listens there itself, so no other one does. */
static bool listens_there(const struct sks_change *change, const struct sks_route *route)
{
	const struct sks_socket *sock = change->socket;

	return sock && sock->listening && sock->port == route->first &&
	       (!sock->bound || sock->bound == sock->port) &&
	       change->dest == &change->space->maps.dests[route->dest] &&
	       (sock->addr.len ? sks_prefix_equal(&sock->addr, &route->prefix)
			       : !route->prefix.len);
}

/*
 * Where few ports at few addresses are asked for, it can be tried, once nobody else may bind them:
 * else somebody would be refused because of the try.
 */
static bool are_free(const struct sks_change *change, const struct fresh *fresh, uint8_t proto)
{
	unsigned int tries = 0;

	if (change->dry || !sks_claims_work(change->space))
		return false;
	for (size_t i = 0; i < fresh->routes->n; i++) {
		const struct sks_route *route = &fresh->routes->routes[i];
		const struct sks_prefix *addr = &route->prefix;

		if (!is_fresh(fresh, i, proto) || listens_there(change, route))
			continue;
		if (route->first != route->last || route->ifindex || tries++ == TRIES_MAX ||
		    (addr->len && addr->len != sks_family_bits(addr->family)) ||
		    !sks_probe_is_free(change, proto, addr, route->first))
			return false;
	}
	return true;
}

/* Against the sockets of others. */
static int check_exclusive(const struct sks_change *change, const struct fresh *fresh,
			   uint8_t proto)
{
	const struct sks_routes *routes = fresh->routes;
	struct sks_port_range ranges[SKS_DIAG_RANGES];
	struct sks_held_list list = {};
	struct sks_range parts[2];
	size_t n = 0, k;
	int err;

	for (size_t i = 0; i < routes->n; i++) {
		k = is_fresh(fresh, i, proto)
			    ? sks_route_exclusive(change->space, &routes->routes[i], parts)
			    : 0;
		while (k-- > 0) {
			if (n++ < SKS_DIAG_RANGES)
				ranges[n - 1] = (struct sks_port_range){ (uint16_t)parts[k].first,
									 (uint16_t)parts[k].last };
		}
	}
	if (!n || are_free(change, fresh, proto))
		return 0;
	err = sks_conflict_held(change, proto, ranges, n, &list);
	for (size_t i = 0; !err && i < routes->n; i++) {
		if (is_fresh(fresh, i, proto))
			err = check_held(change, &routes->routes[i], &list);
	}
	sks_held_free(&list);
	return err;
}

/* What follows from where a server is bound, bind(2) has granted. */
static bool is_asked(const struct sks_space *space, const struct sks_route *route)
{
	return sks_binding_is_asked(&space->maps.bindings[route->binding]);
}

/* Against the policy, and what others have steered. */
static int check_routes(const struct sks_change *change, const struct fresh *fresh)
{
	const struct sks_routes *routes = fresh->routes;
	int err = 0;

	for (size_t i = 0; !err && i < routes->n; i++) {
		const struct sks_route *route = &routes->routes[i];

		if (fresh->is[i] && is_asked(change->space, route))
			err = sks_policy_place(change->peer, &route->prefix, change->verdict);
		/* Where several services change, they may be in each other's way. */
		if (!err && (change->among || !sks_changes(change, route->service)))
			err = check_other(change, fresh, route);
	}
	return err;
}

/* Only ranges ask where the kernel takes ports for clients; it is looked at once in any case. */
static int see_local(const struct sks_change *change, const struct sks_routes *routes)
{
	bool any = !change->space->maps.ports->head.local_last;
	int err;

	for (size_t i = 0; !any && i < routes->n; i++)
		any = routes->routes[i].width > 1 && sks_changes(change, routes->routes[i].service);
	err = any ? sks_claims_see_local(change->space, change->netns) : 0;
	return err ? sks_refuse(change->verdict, err, "cannot read the namespace's port limits: %s",
				strerror(-err))
		   : 0;
}

static int check(const struct sks_change *change, const struct sks_ranges *ranges,
		 const struct fresh *fresh)
{
	int err = fresh->n ? check_routes(change, fresh) : 0;

	/* First, so that no socket can come between the look and the claim. */
	if (!err && !change->dry)
		err = sks_claims_take(change->space, ranges, fresh->routes);
	if (!err && fresh->n)
		err = check_exclusive(change, fresh, SKS_TCP)
			      ?: check_exclusive(change, fresh, SKS_UDP);
	return err;
}

int sks_conflict_check(struct sks_change *change, const struct sks_ranges *ranges,
		       const struct sks_routes *routes)
{
	const struct sks_scope scope = { .service = change->among ? NULL : change->service,
					 .among = change->among };
	struct fresh fresh = { .routes = routes };
	struct sks_routes current = {};
	int err = see_local(change, routes);

	if (!err && (change->among || change->service->born != sks_next_epoch(change->space)))
		err = sks_routes_resolve(change->space, sks_epoch(&change->space->maps), scope,
					 NULL, &current, change->verdict);
	if (err)
		return err;
	fresh.is = calloc(routes->n + 1, sizeof(*fresh.is));
	fresh.sorted = calloc(routes->n + 1, sizeof(struct sks_route *));
	if (fresh.is && fresh.sorted) {
		find_new(change, &fresh, &current);
		err = check(change, ranges, &fresh);
	} else {
		err = -ENOMEM;
	}
	free(fresh.is);
	free(fresh.sorted);
	sks_routes_free(&current);
	return err;
}
