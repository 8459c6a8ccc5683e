/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the order of routes, and rows of them that hold a port while a sweep over the ports goes on.
 */
#ifndef SKSTEER_ROW_H
#define SKSTEER_ROW_H

#include "classes.h"
#include "resolve.h"

/* Routes that hold the current port, the winner for each prefix first of its like. */
struct sks_row {
	const struct sks_route **routes;
	size_t n;
	uint32_t until; /* one of them ends at this port, none before */
};

/* < 0 when a wins against b where both apply; 0 when they cannot be told apart. */
int sks_route_precedence(const struct sks_route *a, const struct sks_route *b);

/* For qsort(3) of pointers to routes: same prefixes side by side, longer ones before shorter. */
int sks_row_order(const void *pa, const void *pb);
/* Of n sorted routes, the winner for each prefix and interface, as entries. Returns how many. */
size_t sks_row_winners(struct sks_entry *entries, const struct sks_route *const *sorted, size_t n);
/* Two sorted lists into a third. Returns its length. */
size_t sks_row_merge(const struct sks_route **to, const struct sks_route **a, size_t n_a,
		     const struct sks_route **b, size_t n_b);
/* After a change of its routes. */
void sks_row_find_end(struct sks_row *row);
void sks_row_drop_ended(struct sks_row *row, uint32_t port);

#endif
