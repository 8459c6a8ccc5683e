// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns what belongs to others: sockets that hold ports already, and other services' routes. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "conflict.h"

static int by_cookie(const void *pa, const void *pb)
{
	const uint64_t *a = pa, *b = pb;

	return (*a > *b) - (*a < *b);
}

/* The cookies of the service's sockets, sorted; malloc'd. NULL: no memory. */
static uint64_t *own_cookies(const struct sks_change *change, size_t *ret_n)
{
	const struct sks_space *space = change->space;
	uint16_t number = sks_service_number(space, change->service);
	uint64_t *cookies = calloc(space->n_slots + 1u, sizeof(*cookies));
	size_t n = 0;

	if (!cookies)
		return NULL;
	if (change->socket)
		cookies[n++] = change->socket->cookie;
	for (uint32_t i = 1; i < space->n_slots; i++) {
		const struct sks_slot *slot = &space->maps.slots[i];

		if (slot->cookie && space->maps.dests[slot->dest].service == number)
			cookies[n++] = slot->cookie;
	}
	qsort(cookies, n, sizeof(*cookies), by_cookie);
	*ret_n = n;
	return cookies;
}

/* All that the list is looked at for; the lower port first. */
static int by_place(const void *pa, const void *pb)
{
	const struct sks_held *a = pa, *b = pb;

	return a->port - b->port ?: memcmp(&a->addr, &b->addr, sizeof(a->addr)) ?:
	       a->both_families - b->both_families ?: (a->uid > b->uid) - (a->uid < b->uid);
}

/* Of a group that shares a port one is enough. */
static void sort_held(struct sks_held_list *list)
{
	size_t kept = 0;

	if (!list->n)
		return;
	qsort(list->held, list->n, sizeof(*list->held), by_place);
	for (size_t i = 1; i < list->n; i++) {
		if (by_place(&list->held[kept], &list->held[i]))
			list->held[++kept] = list->held[i];
	}
	list->n = kept + 1;
}

int sks_conflict_held(const struct sks_change *change, uint8_t proto,
		      const struct sks_port_range *ranges, size_t n, struct sks_held_list *ret_list)
{
	struct sks_held_list list = {};
	uint64_t *own;
	size_t n_own = 0, kept = 0;
	int err = sks_diag_held(change->netns, proto == SKS_UDP ? IPPROTO_UDP : IPPROTO_TCP, ranges,
				n, &list);

	if (err)
		return sks_refuse(change->verdict, err, "cannot list the namespace's sockets: %s",
				  strerror(-err));
	own = own_cookies(change, &n_own);
	if (!own) {
		sks_held_free(&list);
		return -ENOMEM;
	}
	for (size_t i = 0; i < list.n; i++) {
		if (!bsearch(&list.held[i].cookie, own, n_own, sizeof(*own), by_cookie))
			list.held[kept++] = list.held[i];
	}
	free(own);
	list.n = kept;
	sort_held(&list);
	*ret_list = list;
	return 0;
}

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

static int check_held(const struct sks_change *change, const struct sks_route *route,
		      const struct sks_held_list *list)
{
	for (size_t i = held_from(list, route->first); i < list->n; i++) {
		const struct sks_held *held = &list->held[i];

		if (held->port > route->last)
			break;
		/* Would packets for the prefix reach this socket, were it not for us? */
		if (!held->both_families && !sks_prefix_intersects(&held->addr, &route->prefix))
			continue;
		if (change->peer->root && route->prefix.len && !held->addr.len)
			continue; /* the longer prefix wins */
		if (held->uid != change->peer->uid)
			return refuse_held(change, route, held);
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

/*
 * Those of the service that none of the current ones equals: what it has already, it keeps. Most
 * come of a record that had them before, and both lists are in the order of the records; the others
 * are looked up.
 */
static void find_new(struct fresh *fresh, uint16_t number, const struct sks_routes *current)
{
	size_t at = 0;

	for (size_t i = 0; i < fresh->routes->n; i++) {
		const struct sks_route *route = &fresh->routes->routes[i];

		if (route->service != number)
			continue;
		while (at < current->n && current->routes[at].binding < route->binding)
			at++;
		if (at < current->n && !by_target(&current->routes[at], route))
			at++;
		else
			fresh->is[i] = 1;
	}
	sort_fresh(fresh);
	for (size_t i = 0; fresh->n && i < current->n; i++) {
		size_t k = find_fresh(fresh, &current->routes[i]);

		for (; k < fresh->n && !by_target(fresh->sorted[k], &current->routes[i]); k++)
			fresh->is[fresh->sorted[k] - fresh->routes->routes] = 0;
	}
	sort_fresh(fresh);
}

static bool overlap(const struct sks_route *a, const struct sks_route *b)
{
	return a->proto == b->proto && a->first <= b->last && b->first <= a->last &&
	       sks_prefix_intersects(&a->prefix, &b->prefix) &&
	       (!a->ifindex || !b->ifindex || a->ifindex == b->ifindex);
}

/* Does another user's exclusive route meet an exclusive one of the fresh ones? */
static bool meets_exclusive(const struct fresh *fresh, const struct sks_route *other)
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
		if (!sks_route_yields(route) && overlap(route, other))
			return true;
	}
	return false;
}

static int check_other(const struct sks_change *change, const struct fresh *fresh,
		       const struct sks_route *other)
{
	const struct sks_service *service = &change->space->maps.services[other->service];
	bool own = service->uid == change->peer->uid, root = change->peer->root;
	size_t same = find_fresh(fresh, other);
	char text[SKS_ROUTE_STRLEN];

	/* Where they are not the very same, precedence decides, but for other users' exclusive. */
	if ((same == fresh->n || by_target(fresh->sorted[same], other)) &&
	    (own || root || sks_route_yields(other) || !meets_exclusive(fresh, other)))
		return 0;
	return sks_refuse(change->verdict, -EADDRINUSE, "%s is steered to %s%s%s already",
			  sks_route_format(other, text),
			  own || root ? "\"" : "another user's service",
			  own || root ? service->label : "", own || root ? "\"" : "");
}

/* Must nobody else hold its ports? */
static bool is_exclusive(const struct fresh *fresh, size_t i, uint8_t proto)
{
	return fresh->is[i] && fresh->routes->routes[i].proto == proto &&
	       !sks_route_yields(&fresh->routes->routes[i]);
}

/* Against the sockets of others. */
static int check_exclusive(const struct sks_change *change, const struct fresh *fresh,
			   uint8_t proto)
{
	const struct sks_routes *routes = fresh->routes;
	struct sks_port_range ranges[SKS_DIAG_RANGES];
	struct sks_held_list list = {};
	size_t n = 0;
	int err;

	for (size_t i = 0; i < routes->n; i++) {
		if (is_exclusive(fresh, i, proto) && n++ < SKS_DIAG_RANGES)
			ranges[n - 1] = (struct sks_port_range){ routes->routes[i].first,
								 routes->routes[i].last };
	}
	if (!n)
		return 0;
	err = sks_conflict_held(change, proto, ranges, n, &list);
	for (size_t i = 0; !err && i < routes->n; i++) {
		if (is_exclusive(fresh, i, proto))
			err = check_held(change, &routes->routes[i], &list);
	}
	sks_held_free(&list);
	return err;
}

static int check_fresh(const struct sks_change *change, const struct fresh *fresh)
{
	uint16_t number = sks_service_number(change->space, change->service);
	const struct sks_routes *routes = fresh->routes;
	int err = check_exclusive(change, fresh, SKS_TCP)
			  ?: check_exclusive(change, fresh, SKS_UDP);

	for (size_t i = 0; !err && i < routes->n; i++) {
		if (routes->routes[i].service != number)
			err = check_other(change, fresh, &routes->routes[i]);
	}
	return err;
}

int sks_conflict_check(struct sks_change *change, const struct sks_routes *routes)
{
	const struct sks_scope scope = { .service = change->service };
	struct fresh fresh = { .routes = routes };
	struct sks_routes current = {};
	int err = 0;

	if (change->service->born != sks_next_epoch(change->space))
		err = sks_routes_resolve(change->space, sks_epoch(&change->space->maps), scope,
					 NULL, &current, change->verdict);
	if (err)
		return err;
	fresh.is = calloc(routes->n + 1, sizeof(*fresh.is));
	fresh.sorted = calloc(routes->n + 1, sizeof(struct sks_route *));
	if (fresh.is && fresh.sorted) {
		find_new(&fresh, sks_service_number(change->space, change->service), &current);
		err = fresh.n ? check_fresh(change, &fresh) : 0;
	} else {
		err = -ENOMEM;
	}
	free(fresh.is);
	free(fresh.sorted);
	sks_routes_free(&current);
	return err;
}
