// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns precedence: turns routes into the port table that the dispatcher reads (see compile.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "classes.h"
#include "compile.h"
#include "dest.h"
#include "row.h"

/* One protocol's routes while a sweep over the port numbers goes on. */
struct sweep {
	struct sks_space *space;
	struct sks_verdict *verdict;
	enum sks_judged judged;
	uint32_t proto;
	const struct sks_route **begin; /* by first port, n of them */
	size_t n, at;
	struct sks_row own;   /* all but "*" */
	struct sks_row stars; /* "*" */
	const struct sks_route **arrived, **merged;
	struct sks_entry *entries;
	/*
	 * Where many prefixes have "*", they are one rule beside those of the ports: else a change
	 * of one would be a change of every port's.
	 */
	uint32_t star;	/* that rule, as struct sks_head has it, or 0 */
	size_t n_stars; /* routes in it */
};

static int by_first_port(const void *pa, const void *pb)
{
	const struct sks_route *a = *(const struct sks_route *const *)pa;
	const struct sks_route *b = *(const struct sks_route *const *)pb;

	return (int)a->first - (int)b->first;
}

/* The "*" of an interface is like any other range: the rule of all ports knows none. */
static bool is_star(const struct sks_route *route)
{
	return route->width == SKS_PORT_NUMBERS && !route->ifindex;
}

static void take_arrived(struct sweep *sweep, struct sks_row *row, size_t n)
{
	if (!n)
		return;
	qsort(sweep->arrived, n, sizeof(*sweep->arrived), sks_row_order);
	row->n = sks_row_merge(sweep->merged, row->routes, row->n, sweep->arrived, n);
	memcpy(row->routes, sweep->merged, row->n * sizeof(*row->routes));
	sks_row_find_end(row);
}

/* Takes in the routes that begin by that port and have not ended. */
static void arrive(struct sweep *sweep, struct sks_row *row, uint32_t port, bool stars)
{
	size_t n = 0;

	for (size_t i = sweep->at; i < sweep->n && sweep->begin[i]->first <= port; i++) {
		if (sweep->begin[i]->last >= port && is_star(sweep->begin[i]) == stars)
			sweep->arrived[n++] = sweep->begin[i];
	}
	take_arrived(sweep, row, n);
}

static void advance(struct sweep *sweep, uint32_t port)
{
	sks_row_drop_ended(&sweep->own, port);
	sks_row_drop_ended(&sweep->stars, port);
	arrive(sweep, &sweep->own, port, false);
	arrive(sweep, &sweep->stars, port, true);
	while (sweep->at < sweep->n && sweep->begin[sweep->at]->first <= port)
		sweep->at++;
}

/* The last port up to which the same routes hold. */
static uint32_t until(const struct sweep *sweep, uint32_t end)
{
	if (sweep->own.until < end)
		end = sweep->own.until;
	if (sweep->stars.until < end)
		end = sweep->stars.until;
	if (sweep->at < sweep->n && sweep->begin[sweep->at]->first <= end)
		end = sweep->begin[sweep->at]->first - 1u;
	return end;
}

/* A new one is about to get its first. */
static bool has_socket(const struct sks_space *space, uint16_t dest)
{
	return space->maps.dests[dest].born == sks_next_epoch(space) ||
	       sks_dest_has_socket(space, dest);
}

/* Nobody's steering is a reason to refuse root. */
static bool may_go(const struct sweep *sweep, uint16_t dest)
{
	const struct sks_maps *maps = &sweep->space->maps;

	return sweep->judged == SKS_JUDGED_NOBODY ||
	       (sweep->judged == SKS_JUDGED_ROOT && maps->services[maps->dests[dest].service].uid);
}

/*
 * A rule has no room for an interface's prefix beyond the inline ones. A service that only loses
 * sockets must not get there, for nobody is to be refused then, and what can't be compiled would
 * stand in everybody's way: so without a socket such a prefix goes, and if need be with one.
 * Returns how many entries are left.
 */
static size_t make_room(const struct sweep *sweep, size_t n)
{
	struct sks_entry *entries = sweep->entries;
	size_t of_family[2] = {}, devices[2] = {}, at[2] = {}, kept = 0;

	for (size_t i = 0; i < n; i++) {
		bool v6 = entries[i].prefix.family == AF_INET6;

		of_family[v6]++;
		devices[v6] += sks_dest_ifindex(sweep->space, entries[i].dest) != 0;
	}
	for (size_t i = 0; i < n; i++) {
		bool v6 = entries[i].prefix.family == AF_INET6;
		bool full = devices[v6] && of_family[v6] > SKS_INLINE_PREFIXES;

		if (full && sks_dest_ifindex(sweep->space, entries[i].dest) &&
		    (!has_socket(sweep->space, entries[i].dest) ||
		     (may_go(sweep, entries[i].dest) && at[v6] >= SKS_INLINE_PREFIXES)))
			continue;
		at[v6]++;
		entries[kept++] = entries[i];
	}
	return kept;
}

/* The table's value for the current port, or -errno. */
static int value(struct sweep *sweep)
{
	bool star = sweep->star && sweep->stars.n == sweep->n_stars;
	size_t n;

	if (star && !sweep->own.n)
		return (int)(SKS_TABLE_RULES + (sweep->star - 1) / 2);
	if (star || !sweep->stars.n) {
		n = sks_row_winners(sweep->entries, sweep->own.routes, sweep->own.n);
	} else {
		n = sks_row_merge(sweep->merged, sweep->own.routes, sweep->own.n,
				  sweep->stars.routes, sweep->stars.n);
		n = sks_row_winners(sweep->entries, sweep->merged, n);
	}
	n = make_room(sweep, n);
	return sks_class_value(sweep->space, sweep->proto, sweep->entries, n, star, sweep->verdict);
}

static void write_ports(struct sweep *sweep, uint32_t first, uint32_t last, uint16_t new)
{
	uint32_t epoch = sks_next_epoch(sweep->space), same;
	uint16_t *table = &sweep->space->maps.ports->table[sks_table_index(epoch, sweep->proto, 0)];

	for (uint32_t port = first; port <= last; port = same) {
		uint16_t old = table[port];

		for (same = port; same <= last && table[same] == old; same++)
			table[same] = new;
		if (old == new)
			continue;
		sks_class_use(sweep->space, sweep->proto, new, (int)(same - port));
		sks_class_use(sweep->space, sweep->proto, old, -(int)(same - port));
	}
}

static int fill(struct sweep *sweep, const struct sks_ranges *ranges)
{
	for (size_t i = 0; i < ranges->n; i++) {
		uint32_t port = ranges->list[i].first, last = ranges->list[i].last;

		while (port <= last) {
			uint32_t end;
			int new;

			advance(sweep, port);
			end = until(sweep, last);
			new = value(sweep);
			if (new < 0)
				return new;
			write_ports(sweep, port, end, (uint16_t) new);
			port = end + 1;
		}
	}
	return 0;
}

/* Is any family's share of them more than a rule has inline? */
static bool are_many(const struct sks_entry *entries, size_t n)
{
	size_t v6 = 0;

	for (size_t i = 0; i < n; i++)
		v6 += entries[i].prefix.family == AF_INET6;
	return v6 > SKS_INLINE_PREFIXES || n - v6 > SKS_INLINE_PREFIXES;
}

/* routes: before anything was left out, for what one leaves out others have. */
static int find_star(struct sweep *sweep, const struct sks_routes *routes)
{
	uint32_t *head = sweep->space->maps.ports->head.star;
	uint32_t *next = &head[sks_star_index(sks_next_epoch(sweep->space), sweep->proto)];
	size_t n;
	int star = 0;

	sweep->n_stars = 0;
	for (size_t i = 0; i < routes->n; i++) {
		if (routes->routes[i].proto == sweep->proto && is_star(&routes->routes[i]))
			sweep->arrived[sweep->n_stars++] = &routes->routes[i];
	}
	if (sweep->n_stars) {
		qsort(sweep->arrived, sweep->n_stars, sizeof(*sweep->arrived), sks_row_order);
		n = sks_row_winners(sweep->entries, sweep->arrived, sweep->n_stars);
		if (are_many(sweep->entries, n))
			star = sks_class_star(sweep->space, sweep->proto, sweep->entries, n,
					      sweep->verdict);
	}
	if (star < 0)
		return star;
	sks_class_use_star(sweep->space, (uint32_t)star, 1);
	sks_class_use_star(sweep->space, *next, -1);
	*next = sweep->star = (uint32_t)star;
	return 0;
}

static int compile_proto(struct sweep *sweep, const struct sks_ranges *ranges,
			 const struct sks_routes *routes, const struct sks_routes *pieces)
{
	int err;

	if (!ranges->n)
		return 0;
	sweep->n = sweep->at = sweep->own.n = sweep->stars.n = 0;
	sks_row_find_end(&sweep->own);
	sks_row_find_end(&sweep->stars);
	for (size_t i = 0; i < pieces->n; i++) {
		if (pieces->routes[i].proto == sweep->proto)
			sweep->begin[sweep->n++] = &pieces->routes[i];
	}
	qsort(sweep->begin, sweep->n, sizeof(*sweep->begin), by_first_port);
	err = find_star(sweep, routes);
	return err ?: fill(sweep, ranges);
}

/* The table of the next state becomes what the current one is. */
static void copy_table(struct sks_space *space, uint32_t proto)
{
	struct sks_ports *ports = space->maps.ports;
	uint32_t now = sks_epoch(&space->maps), next = sks_next_epoch(space);
	const struct sks_ranges *written = &space->written[proto];

	for (size_t i = 0; i < written->n; i++) {
		uint32_t first = written->list[i].first;

		memcpy(&ports->table[sks_table_index(next, proto, first)],
		       &ports->table[sks_table_index(now, proto, first)],
		       (written->list[i].last - first + 1) * sizeof(*ports->table));
	}
	ports->head.star[sks_star_index(next, proto)] =
		ports->head.star[sks_star_index(now, proto)];
}

int sks_compile(struct sks_space *space, struct sks_ranges ranges[2],
		const struct sks_routes *routes, const struct sks_routes *pieces,
		enum sks_judged judged, struct sks_verdict *verdict)
{
	size_t n = pieces->n + routes->n + 1;
	struct sweep sweep = {
		.space = space,
		.verdict = verdict,
		.judged = judged,
		.begin = calloc(n, sizeof(*sweep.begin)),
		.own.routes = calloc(n, sizeof(*sweep.begin)),
		.stars.routes = calloc(n, sizeof(*sweep.begin)),
		.arrived = calloc(n, sizeof(*sweep.begin)),
		.merged = calloc(n, sizeof(*sweep.begin)),
		.entries = calloc(n, sizeof(*sweep.entries)),
	};
	int err = -ENOMEM;

	for (uint32_t proto = SKS_TCP; proto <= SKS_UDP; proto++) {
		copy_table(space, proto);
		sks_ranges_free(&space->written[proto]);
		space->written[proto] = ranges[proto];
		ranges[proto] = (struct sks_ranges){};
	}
	space->compiling = true;
	if (sweep.begin && sweep.own.routes && sweep.stars.routes && sweep.arrived &&
	    sweep.merged && sweep.entries)
		err = 0;
	for (sweep.proto = SKS_TCP; !err && sweep.proto <= SKS_UDP; sweep.proto++)
		err = compile_proto(&sweep, &space->written[sweep.proto], routes, pieces);
	free(sweep.begin);
	free(sweep.own.routes);
	free(sweep.stars.routes);
	free(sweep.arrived);
	free(sweep.merged);
	free(sweep.entries);
	return err;
}

void sks_compile_publish(struct sks_space *space)
{
	space->compiling = false;
	sks_classes_settle(space, true);
}

static void discard_ports(struct sks_space *space, uint32_t proto, const struct sks_range *range)
{
	uint16_t *table = space->maps.ports->table;

	for (uint32_t port = range->first; port <= range->last; port++) {
		uint16_t *next = &table[sks_table_index(sks_next_epoch(space), proto, port)];
		uint16_t now = table[sks_table_index(sks_epoch(&space->maps), proto, port)];

		if (*next == now)
			continue;
		sks_class_use(space, proto, now, 1);
		sks_class_use(space, proto, *next, -1);
		*next = now;
	}
}

void sks_compile_discard(struct sks_space *space)
{
	uint32_t *star = space->maps.ports->head.star;

	if (!space->compiling)
		return;
	space->compiling = false;
	for (uint32_t proto = SKS_TCP; proto <= SKS_UDP; proto++) {
		uint32_t *next = &star[sks_star_index(sks_next_epoch(space), proto)];
		uint32_t now = star[sks_star_index(sks_epoch(&space->maps), proto)];

		for (size_t i = 0; i < space->written[proto].n; i++)
			discard_ports(space, proto, &space->written[proto].list[i]);
		sks_class_use_star(space, now, 1);
		sks_class_use_star(space, *next, -1);
		*next = now;
	}
	sks_classes_settle(space, false);
}
