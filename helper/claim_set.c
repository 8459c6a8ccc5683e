// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns which claims routes make, and whose each of them is (see claim_set.h). */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "claim_set.h"
#include "exclusive.h"
#include "policy.h"

/* While the routes are gone through. */
struct sketch {
	const struct sks_space *space;
	struct sks_claim_set *set;
	struct sks_range ports[2]; /* by protocol: no key of the set is outside */
	/* The last user that was asked about. */
	uint32_t uid;
	bool known, shadows;
	int err;
};

/* key: all but the flags that say whose. */
typedef void visit_fn(struct sketch *sketch, const struct sks_claim_key *key, uint32_t flags,
		      const struct sks_route *route, bool next);

struct sks_claim_key sks_claim_space_key(const struct sks_space *space)
{
	uint64_t netns = space->maps.ports->head.netns_cookie;

	return (struct sks_claim_key){ .prefixlen = SKS_CLAIM_SPACE,
				       .netns = { (uint32_t)netns, (uint32_t)(netns >> 32) } };
}

static struct sks_claim_key make_key(const struct sketch *sketch, const struct sks_route *route,
				     uint32_t kind, uint32_t port, uint32_t prefixlen)
{
	struct sks_claim_key key = sks_claim_space_key(sketch->space);
	const uint8_t what[4] = { route->proto == SKS_UDP ? IPPROTO_UDP : IPPROTO_TCP,
				  (uint8_t)kind, (uint8_t)(port >> 8), (uint8_t)port };

	memcpy(&key.what, what, sizeof(key.what));
	key.prefixlen = prefixlen;
	return key;
}

/* May the user take prefixes from a wildcard listener? Then one that comes later is welcome too. */
static bool shadows(struct sketch *sketch, const struct sks_route *route)
{
	uint32_t uid = sketch->space->maps.services[route->service].uid;

	if (!sketch->known || sketch->uid != uid) {
		const struct sks_peer peer = sks_policy_absent(uid);

		sketch->shadows = sks_policy_shadows(&peer);
	}
	sketch->known = true;
	sketch->uid = uid;
	return sketch->shadows;
}

static uint32_t firm(const struct sketch *sketch, const struct sks_range *ports)
{
	struct sks_range local = sks_local_ports(sketch->space);

	return ports->last < local.first || ports->first > local.last ? SKS_CLAIM_FIRM : 0;
}

/* Every address: whole blocks of ports, as few as will do. */
static void visit_wildcard(struct sketch *sketch, const struct sks_route *route,
			   const struct sks_range *part, visit_fn *visit, bool next)
{
	uint32_t family = route->prefix.family == AF_INET6 ? SKS_CLAIM_V6 : SKS_CLAIM_V4;

	for (uint32_t port = part->first, bits; port <= part->last; port += 1u << bits) {
		struct sks_claim_key key;

		for (bits = 0; !(port & 1u << bits) && port + (2u << bits) - 1 <= part->last;)
			bits++;
		key = make_key(sketch, route, family, port, SKS_CLAIM_PORT - bits);
		visit(sketch, &key, firm(sketch, part), route, next);
	}
}

static void visit_prefix(struct sketch *sketch, const struct sks_route *route,
			 const struct sks_range *part, visit_fn *visit, bool next)
{
	uint32_t family = route->prefix.family == AF_INET6 ? SKS_CLAIM_V6 : SKS_CLAIM_V4;

	for (uint32_t port = part->first; port <= part->last && !sketch->set->cut; port++) {
		struct sks_claim_key key =
			make_key(sketch, route, family, port, SKS_CLAIM_PORT + route->prefix.len);

		memcpy(key.addr, route->prefix.addr, sizeof(key.addr));
		visit(sketch, &key, firm(sketch, part), route, next);
		if (shadows(sketch, route))
			continue;
		key = make_key(sketch, route, SKS_CLAIM_SOME + family, port, SKS_CLAIM_PORT);
		visit(sketch, &key, firm(sketch, part), route, next);
	}
}

/*
 * A listener of one interface claims nothing: a bind to an address says nothing of interfaces, and
 * others may well have the port elsewhere.
 */
static void visit_route(struct sketch *sketch, const struct sks_route *route, visit_fn *visit,
			bool next)
{
	struct sks_range parts[2];
	size_t n = sks_route_exclusive(sketch->space, route, parts);

	if (route->ifindex || route->dest == SKS_DEST_GUARD)
		return;
	for (size_t i = 0; i < n; i++) {
		if (route->prefix.len)
			visit_prefix(sketch, route, &parts[i], visit, next);
		else
			visit_wildcard(sketch, route, &parts[i], visit, next);
	}
}

/* --- which keys ------------------------------------------------------------------------------- */

static int by_key(const void *pa, const void *pb)
{
	const struct sks_claim_change *a = pa, *b = pb;

	return memcmp(&a->key, &b->key, sizeof(a->key));
}

static void add_key(struct sketch *sketch, const struct sks_claim_key *key, uint32_t flags,
		    const struct sks_route *route, bool next)
{
	struct sks_claim_set *set = sketch->set;
	size_t room = set->room ? 2 * set->room : 64;

	(void)flags;
	(void)route;
	(void)next;
	set->cut |= set->n == SKS_SPACE_CLAIMS;
	if (sketch->err || set->cut)
		return;
	if (set->n == set->room) {
		struct sks_claim_change *more = reallocarray(set->list, room, sizeof(*more));

		if (!more) {
			sketch->err = -ENOMEM;
			return;
		}
		set->list = more;
		set->room = room;
	}
	set->list[set->n++] = (struct sks_claim_change){ .key = *key };
}

static void sort_keys(struct sks_claim_set *set)
{
	size_t kept = 0;

	if (!set->n)
		return;
	qsort(set->list, set->n, sizeof(*set->list), by_key);
	for (size_t i = 1; i < set->n; i++) {
		if (by_key(&set->list[kept], &set->list[i]))
			set->list[++kept] = set->list[i];
	}
	set->n = kept + 1;
}

static void visit_changed(struct sketch *sketch, const struct sks_route *route)
{
	struct sks_range *ports = &sketch->ports[route->proto];

	if (route->first < ports->first)
		ports->first = route->first;
	if (route->last > ports->last)
		ports->last = route->last;
	visit_route(sketch, route, add_key, false);
}

static bool is_same(const struct sks_route *a, const struct sks_route *b)
{
	return a->proto == b->proto && a->first == b->first && a->last == b->last &&
	       a->width == b->width && a->service == b->service && a->ifindex == b->ifindex &&
	       (a->dest == SKS_DEST_GUARD) == (b->dest == SKS_DEST_GUARD) &&
	       sks_prefix_equal(&a->prefix, &b->prefix);
}

/* The next route of another record. */
static size_t past(const struct sks_routes *routes, size_t i)
{
	uint32_t binding = routes->routes[i].binding;

	while (i < routes->n && routes->routes[i].binding == binding)
		i++;
	return i;
}

/* Both lists are in the order of the records that the routes come of. */
static void find_changed(struct sketch *sketch, const struct sks_routes *now,
			 const struct sks_routes *next)
{
	size_t a = 0, b = 0;

	while (a < now->n || b < next->n) {
		bool in_a = a < now->n &&
			    (b == next->n || now->routes[a].binding <= next->routes[b].binding);
		bool in_b = b < next->n &&
			    (a == now->n || next->routes[b].binding <= now->routes[a].binding);
		size_t end_a = in_a ? past(now, a) : a, end_b = in_b ? past(next, b) : b;
		bool same = end_a - a == end_b - b;

		for (size_t i = 0; same && i < end_a - a; i++)
			same = is_same(&now->routes[a + i], &next->routes[b + i]);
		for (; a < end_a; a++) {
			if (!same)
				visit_changed(sketch, &now->routes[a]);
		}
		for (; b < end_b; b++) {
			if (!same)
				visit_changed(sketch, &next->routes[b]);
		}
	}
}

/* --- whose ------------------------------------------------------------------------------------ */

const struct sks_claim_change *sks_claim_set_find(const struct sks_claim_set *set,
						  const struct sks_claim_key *key)
{
	const struct sks_claim_change wanted = { .key = *key };

	return set->n ? bsearch(&wanted, set->list, set->n, sizeof(*set->list), by_key) : NULL;
}

/* Where several have the very same ports the one that is served has them, the narrower range. */
static void add_side(struct sketch *sketch, const struct sks_claim_key *key, uint32_t flags,
		     const struct sks_route *route, bool next)
{
	struct sks_claim_change *change =
		(struct sks_claim_change *)sks_claim_set_find(sketch->set, key);
	uint8_t what[4];
	struct sks_claim_side *side, own = {
		.claim = { sketch->space->maps.services[route->service].uid, flags },
		.made = true,
		.width = route->width,
		.born = route->born,
	};

	if (!change)
		return;
	side = next ? &change->next : &change->now;
	memcpy(what, &key->what, sizeof(what));
	if (side->made && side->claim.uid != own.claim.uid && what[1] >= SKS_CLAIM_SOME)
		side->claim.flags |= SKS_CLAIM_SEVERAL;
	else if (!side->made || own.width < side->width ||
		 (own.width == side->width && own.born < side->born))
		*side = own;
}

static void add_sides(struct sketch *sketch, const struct sks_routes *routes, bool next)
{
	for (size_t i = 0; i < routes->n; i++) {
		const struct sks_route *route = &routes->routes[i];
		const struct sks_range *ports = &sketch->ports[route->proto];

		if (route->first <= ports->last && route->last >= ports->first)
			visit_route(sketch, route, add_side, next);
	}
}

int sks_claim_set_make(const struct sks_space *space, const struct sks_routes *now,
		       const struct sks_routes *next, struct sks_claim_set *ret_set)
{
	struct sks_claim_set set = {};
	struct sketch sketch = {
		.space = space,
		.set = &set,
		.ports = { { SKS_PORT_NUMBERS, 0 }, { SKS_PORT_NUMBERS, 0 } },
	};
	bool cut;

	find_changed(&sketch, now, next);
	if (sketch.err) {
		free(set.list);
		return sketch.err;
	}
	sort_keys(&set);
	cut = set.cut;
	set.cut = false; /* the sides of those that are there count, all of them */
	if (set.n) {
		add_sides(&sketch, now, false);
		add_sides(&sketch, next, true);
	}
	set.cut = cut;
	*ret_set = set;
	return 0;
}
