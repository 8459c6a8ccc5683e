// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the list of the sockets that hold ports and are not the service's own (see conflict.h). */
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
	       a->both_families - b->both_families ?: a->idle - b->idle ?: (a->uid > b->uid) - (a->uid < b->uid);
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

/*
 * A reply socket waits for nothing. But anybody can make a socket look like one, by which it would
 * be in nobody's way: so to others it is a socket as any.
 */
static bool is_passed_over(const struct sks_change *change, const struct sks_held *held)
{
	uint32_t owner = change->service->uid;

	return held->reply && (!owner || held->uid == owner || change->peer->root);
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
		if (!is_passed_over(change, &list.held[i]) &&
		    !bsearch(&list.held[i].cookie, own, n_own, sizeof(*own), by_cookie))
			list.held[kept++] = list.held[i];
	}
	free(own);
	list.n = kept;
	sort_held(&list);
	*ret_list = list;
	return 0;
}
