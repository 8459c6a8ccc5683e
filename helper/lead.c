// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns where one address and port leads (see lead.h). */
#include "lead.h"
#include "row.h"

int sks_leads_resolve(const struct sks_space *space, const struct sks_ranges *udp,
		      struct sks_routes *ret_routes)
{
	const struct sks_ranges ranges[2] = { [SKS_UDP] = udp ? *udp : (struct sks_ranges){} };
	const struct sks_scope scope = { .ranges = udp ? ranges : NULL };
	const uint32_t epoch = sks_epoch(&space->maps);
	struct sks_verdict verdict = {}; /* nobody is judged, so nothing is said */
	struct sks_routes routes = {};
	int err = sks_routes_resolve(space, epoch, scope, NULL, &routes, &verdict);

	err = err ?: sks_routes_cut(space, epoch, &routes, ret_routes);
	sks_routes_free(&routes);
	return err;
}

/* The longer prefix, an interface's before all, then precedence. */
static bool wins(const struct sks_route *a, const struct sks_route *b)
{
	if (a->prefix.len != b->prefix.len)
		return a->prefix.len > b->prefix.len;
	if (a->ifindex != b->ifindex)
		return a->ifindex > b->ifindex;
	return sks_route_precedence(a, b) < 0;
}

const struct sks_route *sks_lead_find(const struct sks_routes *routes, uint8_t proto,
				      const struct sks_prefix *addr, uint16_t port,
				      uint32_t ifindex)
{
	const struct sks_route *winner = NULL;

	for (size_t i = 0; i < routes->n; i++) {
		const struct sks_route *route = &routes->routes[i];

		if (route->proto == proto && route->first <= port && port <= route->last &&
		    sks_prefix_contains(&route->prefix, addr) &&
		    (!route->ifindex || route->ifindex == ifindex) &&
		    (!winner || wins(route, winner)))
			winner = route;
	}
	return winner;
}
