// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the order of routes, and rows of them that hold a port (see row.h). */
#include "row.h"

static int compare(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

int sks_route_precedence(const struct sks_route *a, const struct sks_route *b)
{
	return compare(b->prefix.len, a->prefix.len) ?: compare(a->width, b->width) ?:
	       compare(a->begins, b->begins) ?: compare(a->born, b->born);
}

/* Same prefixes side by side, the winner first; longer prefixes before shorter ones. */
int sks_row_order(const void *pa, const void *pb)
{
	const struct sks_route *a = *(const struct sks_route *const *)pa;
	const struct sks_route *b = *(const struct sks_route *const *)pb;

	/* A socket that is bound to the packet's interface goes before those that are to none. */
	return sks_entry_compare(&a->prefix, &b->prefix) ?: compare(b->ifindex, a->ifindex) ?:
	       sks_route_precedence(a, b) ?: compare(a->dest, b->dest);
}

static bool same_place(const struct sks_route *a, const struct sks_route *b)
{
	return a->ifindex == b->ifindex && sks_prefix_equal(&a->prefix, &b->prefix);
}

/* The winner for each prefix and interface, as entries. Returns how many. */
size_t sks_row_winners(struct sks_entry *entries, const struct sks_route *const *sorted, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (i && same_place(sorted[i - 1], sorted[i]))
			continue;
		entries[kept++] = (struct sks_entry){ sorted[i]->prefix, sorted[i]->dest };
	}
	return kept;
}

/* Two sorted lists into a third. Returns its length. */
size_t sks_row_merge(const struct sks_route **to, const struct sks_route **a, size_t n_a,
		     const struct sks_route **b, size_t n_b)
{
	size_t n = 0, i = 0, k = 0;

	while (i < n_a && k < n_b)
		to[n++] = sks_row_order(&a[i], &b[k]) <= 0 ? a[i++] : b[k++];
	while (i < n_a)
		to[n++] = a[i++];
	while (k < n_b)
		to[n++] = b[k++];
	return n;
}

void sks_row_find_end(struct sks_row *row)
{
	row->until = SKS_PORT_NUMBERS - 1;
	for (size_t i = 0; i < row->n; i++) {
		if (row->routes[i]->last < row->until)
			row->until = row->routes[i]->last;
	}
}

void sks_row_drop_ended(struct sks_row *row, uint32_t port)
{
	size_t kept = 0;

	if (row->until >= port)
		return;
	for (size_t i = 0; i < row->n; i++) {
		if (row->routes[i]->last >= port)
			row->routes[kept++] = row->routes[i];
	}
	row->n = kept;
	sks_row_find_end(row);
}
