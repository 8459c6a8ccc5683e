// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the list of the sockets that hold ports and are not the service's own (see conflict.h). */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "conflict.h"

/* A socket of a service that changes. */
struct own {
	uint64_t cookie;
	uint16_t service;
};

static int by_cookie(const void *pa, const void *pb)
{
	const struct own *a = pa, *b = pb;

	return (a->cookie > b->cookie) - (a->cookie < b->cookie);
}

/* The sockets of what changes, sorted; malloc'd. NULL: no memory. */
static struct own *find_own(const struct sks_change *change, size_t *ret_n)
{
	const struct sks_space *space = change->space;
	struct own *own = calloc(space->n_slots + 1u, sizeof(*own));
	size_t n = 0;

	if (!own)
		return NULL;
	if (change->socket)
		own[n++] = (struct own){ change->socket->cookie,
					 sks_service_number(space, change->service) };
	for (uint32_t i = 1; i < space->n_slots; i++) {
		const struct sks_slot *slot = &space->maps.slots[i];
		uint16_t service = space->maps.dests[slot->dest].service;

		if (slot->cookie && sks_changes(change, service))
			own[n++] = (struct own){ slot->cookie, service };
	}
	qsort(own, n, sizeof(*own), by_cookie);
	*ret_n = n;
	return own;
}

/* All that the list is looked at for; the lower port first. */
static int by_place(const void *pa, const void *pb)
{
	const struct sks_held *a = pa, *b = pb;

	return a->port - b->port ?: memcmp(&a->addr, &b->addr, sizeof(a->addr)) ?:
	       a->both_families - b->both_families ?: a->idle - b->idle ?:
	       (a->service > b->service) - (a->service < b->service)
		       ?: (a->uid > b->uid) - (a->uid < b->uid);
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
	struct own *own;
	size_t n_own = 0, kept = 0;
	int err = sks_diag_held(change->netns, proto == SKS_UDP ? IPPROTO_UDP : IPPROTO_TCP, ranges,
				n, &list);

	if (err)
		return sks_refuse(change->verdict, err, "cannot list the namespace's sockets: %s",
				  strerror(-err));
	own = find_own(change, &n_own);
	if (!own) {
		sks_held_free(&list);
		return -ENOMEM;
	}
	for (size_t i = 0; i < list.n; i++) {
		const struct own wanted = { .cookie = list.held[i].cookie }, *found;

		if (is_passed_over(change, &list.held[i]))
			continue;
		found = bsearch(&wanted, own, n_own, sizeof(*own), by_cookie);
		list.held[i].service = found ? found->service + 1u : 0;
		/* Of one service alone they are in nobody's way. */
		if (!found || change->among)
			list.held[kept++] = list.held[i];
	}
	free(own);
	list.n = kept;
	sort_held(&list);
	*ret_list = list;
	return 0;
}
