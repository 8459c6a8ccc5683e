// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns precedence: turns routes into the port table that the dispatcher reads (see compile.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "classes.h"
#include "compile.h"

/* One protocol's routes while a sweep over the port numbers goes on. */
struct sweep {
	struct sks_space *space;
	struct sks_classes *classes;
	struct sks_verdict *verdict;
	const struct sks_route **begin; /* by first port, n of them */
	size_t n, at;
	const struct sks_route **active; /* those that hold the current port */
	size_t n_active;
	const struct sks_route **sorted; /* active by precedence */
	struct sks_hop *hops;
};

static int compare(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

static int by_prefix(const struct sks_prefix *a, const struct sks_prefix *b)
{
	return compare(b->len, a->len) ?: compare(a->family, b->family) ?:
	       memcmp(a->addr, b->addr, sizeof(a->addr));
}

int sks_route_precedence(const struct sks_route *a, const struct sks_route *b)
{
	return compare(b->prefix.len, a->prefix.len) ?: compare(a->width, b->width) ?:
	       compare(a->begins, b->begins) ?: compare(a->born, b->born);
}

/* Same prefixes side by side, the winner first; longer prefixes before shorter ones. */
static int by_prefix_then_precedence(const void *pa, const void *pb)
{
	const struct sks_route *a = *(const struct sks_route *const *)pa;
	const struct sks_route *b = *(const struct sks_route *const *)pb;

	/* A socket that is bound to the packet's interface goes before those that are to none. */
	return by_prefix(&a->prefix, &b->prefix) ?: compare(b->ifindex, a->ifindex) ?:
	       sks_route_precedence(a, b) ?: compare(a->dest, b->dest);
}

static int by_first_port(const void *pa, const void *pb)
{
	const struct sks_route *a = *(const struct sks_route *const *)pa;
	const struct sks_route *b = *(const struct sks_route *const *)pb;

	return compare(a->first, b->first);
}

static bool same_place(const struct sks_route *a, const struct sks_route *b)
{
	return a->ifindex == b->ifindex && sks_prefix_equal(&a->prefix, &b->prefix);
}

/* Of the active routes, the winner for each prefix and interface. Returns how many. */
static size_t winners(struct sweep *sweep)
{
	size_t n = 0;

	memcpy(sweep->sorted, sweep->active, sweep->n_active * sizeof(struct sks_route *));
	qsort(sweep->sorted, sweep->n_active, sizeof(struct sks_route *),
	      by_prefix_then_precedence);
	for (size_t i = 0; i < sweep->n_active; i++) {
		const struct sks_route *route = sweep->sorted[i];

		if (i && same_place(sweep->sorted[i - 1], route))
			continue;
		sweep->hops[n++] = (struct sks_hop){ route->prefix, route->dest };
	}
	return n;
}

/* Drops the routes that end before port and takes in those that begin at it. */
static void advance(struct sweep *sweep, uint32_t port)
{
	size_t kept = 0;

	for (size_t i = 0; i < sweep->n_active; i++) {
		if (sweep->active[i]->last >= port)
			sweep->active[kept++] = sweep->active[i];
	}
	while (sweep->at < sweep->n && sweep->begin[sweep->at]->first == port)
		sweep->active[kept++] = sweep->begin[sweep->at++];
	sweep->n_active = kept;
}

/* The next port number at which the set of active routes changes. */
static uint32_t next_change(const struct sweep *sweep)
{
	uint32_t next = sweep->at < sweep->n ? sweep->begin[sweep->at]->first : SKS_PORT_NUMBERS;

	for (size_t i = 0; i < sweep->n_active; i++) {
		if (sweep->active[i]->last + 1u < next)
			next = sweep->active[i]->last + 1u;
	}
	return next;
}

static int fill(struct sweep *sweep, uint32_t proto)
{
	uint16_t *table = sweep->space->maps.ports->table;
	uint32_t epoch = sks_next_epoch(sweep->space), port = 0;

	while (port < SKS_PORT_NUMBERS) {
		uint32_t next;
		int value;

		advance(sweep, port);
		next = next_change(sweep);
		value = sks_class_value(sweep->space, sweep->classes, proto, sweep->hops,
					winners(sweep), sweep->verdict);
		if (value < 0)
			return value;
		for (; port < next; port++)
			table[sks_table_index(epoch, proto, port)] = (uint16_t)value;
	}
	return 0;
}

static int compile_proto(struct sweep *sweep, const struct sks_routes *pieces, uint32_t proto)
{
	sweep->n = sweep->at = sweep->n_active = 0;
	for (size_t i = 0; i < pieces->n; i++) {
		if (pieces->routes[i].proto == proto)
			sweep->begin[sweep->n++] = &pieces->routes[i];
	}
	qsort(sweep->begin, sweep->n, sizeof(*sweep->begin), by_first_port);
	return fill(sweep, proto);
}

int sks_compile(struct sks_space *space, const struct sks_routes *pieces,
		struct sks_classes **ret_classes, struct sks_verdict *verdict)
{
	size_t n = pieces->n + 1;
	struct sweep sweep = {
		.space = space,
		.verdict = verdict,
		.classes = sks_classes_new(),
		.begin = calloc(n, sizeof(*sweep.begin)),
		.active = calloc(n, sizeof(*sweep.active)),
		.sorted = calloc(n, sizeof(*sweep.sorted)),
		.hops = calloc(n, sizeof(*sweep.hops)),
	};
	int err = -ENOMEM;

	if (sweep.classes && sweep.begin && sweep.active && sweep.sorted && sweep.hops)
		err = compile_proto(&sweep, pieces, SKS_TCP)
			      ?: compile_proto(&sweep, pieces, SKS_UDP);
	free(sweep.begin);
	free(sweep.active);
	free(sweep.sorted);
	free(sweep.hops);
	if (err)
		sks_classes_discard(space, sweep.classes);
	else
		*ret_classes = sweep.classes;
	return err;
}
