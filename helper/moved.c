// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns what follows from sockets that are bound elsewhere than asked for (see moved.h). */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "binding.h"
#include "candidates.h"
#include "moved.h"
#include "resolve.h"
#include "slot.h"

#define WANTED_A_SOCKET 3 /* the port asked for, and a guard of each family */

/* A binding that a socket brings. */
struct wanted {
	uint8_t source; /* SKS_OWN_PORT or SKS_GUARDED */
	uint16_t port;
	struct sks_prefix where; /* of a guard */
	bool there;
};

struct wants {
	struct wanted *list; /* malloc'd */
	size_t n;
};

static bool is_moved(const struct sks_space *space, uint32_t slot, uint16_t service)
{
	const struct sks_slot *record = &space->maps.slots[slot];

	return record->cookie && record->flags & SKS_SLOT_MOVED &&
	       space->maps.dests[record->dest].service == service;
}

static bool is_same(const struct wanted *a, const struct wanted *b)
{
	return a->source == b->source && a->port == b->port &&
	       sks_prefix_equal(&a->where, &b->where);
}

static void want(struct wants *wants, const struct wanted *wanted)
{
	for (size_t i = 0; i < wants->n; i++) {
		if (is_same(&wants->list[i], wanted))
			return;
	}
	wants->list[wants->n++] = *wanted;
}

static void want_for(const struct sks_space *space, uint32_t i, struct wants *wants)
{
	const struct sks_slot *slot = &space->maps.slots[i];
	const struct sks_dest *dest = &space->maps.dests[slot->dest];
	struct wanted own = { .source = SKS_OWN_PORT, .port = dest->port };

	if (!sks_slot_stands_by(space, i, sks_next_epoch(space)))
		want(wants, &own);
	for (unsigned int family = SKS_V4; family <= SKS_V6; family++) {
		struct wanted guard = { .source = SKS_GUARDED, .port = slot->port };

		guard.where = sks_dest_addr(dest);
		guard.where.family = sks_families[family]; /* a wildcard one may have both */
		if (slot->families & 1u << family)
			want(wants, &guard);
	}
}

static int see_sockets(const struct sks_space *space, uint16_t service, struct wants *ret_wants)
{
	struct wants wants = {};
	size_t n = 0;

	for (uint32_t i = 1; i < space->n_slots; i++)
		n += is_moved(space, i, service);
	wants.list = calloc(WANTED_A_SOCKET * n + 1, sizeof(*wants.list));
	if (!wants.list)
		return -ENOMEM;
	for (uint32_t i = 1; n && i < space->n_slots; i++) {
		if (is_moved(space, i, service))
			want_for(space, i, &wants);
	}
	*ret_wants = wants;
	return 0;
}

/* Is it one of those that are wanted? Then that one is there. */
static bool is_wanted(struct wants *wants, const struct sks_binding *binding)
{
	struct wanted have = { .source = binding->source, .port = binding->first };

	if (binding->source == SKS_GUARDED)
		have.where = sks_binding_prefix(binding);
	for (size_t i = 0; i < wants->n; i++) {
		if (is_same(&wants->list[i], &have)) {
			wants->list[i].there = true;
			return true;
		}
	}
	return false;
}

/* Those that nothing wants any more. True: there were any. */
static bool drop_others(struct sks_space *space, uint16_t service, struct wants *wants)
{
	uint32_t next = sks_next_epoch(space);
	bool any = false;

	for (uint32_t i = 0; i < space->n_bindings; i++) {
		struct sks_binding *binding = &space->maps.bindings[i];

		if (binding->service != service ||
		    (binding->source != SKS_OWN_PORT && binding->source != SKS_GUARDED) ||
		    !sks_alive(binding->born, binding->died, next) || is_wanted(wants, binding))
			continue;
		sks_store_kill_binding(space, binding);
		any = true;
	}
	return any;
}

static int add(struct sks_space *space, const struct sks_service *service,
	       const struct wanted *wanted, struct sks_verdict *verdict)
{
	struct sks_target target = {
		.proto = IPPROTO_TCP,
		.first = wanted->port,
		.last = wanted->port,
		.where = SKS_WHERE_LISTENER,
		.listener_port = wanted->port,
	};

	if (wanted->source == SKS_GUARDED) {
		target.where = SKS_WHERE_PREFIX;
		target.where_prefix = wanted->where;
		target.listener_port = 0;
	}
	return sks_binding_add(space, service, &target, wanted->source, 0, verdict);
}

static int settle(struct sks_space *space, const struct sks_service *service, bool *ret_changed,
		  struct sks_verdict *verdict)
{
	uint16_t number = sks_service_number(space, service);
	struct wants wants;
	bool dropped;
	int err = see_sockets(space, number, &wants);

	if (err)
		return sks_refuse(verdict, err, "%s", strerror(-err));
	if (!wants.n && !space->has_moved[number])
		goto out;
	dropped = drop_others(space, number, &wants);
	/* Not before the next time that there is nothing: this change may yet come to nothing. */
	space->has_moved[number] = wants.n || dropped;
	*ret_changed |= dropped;
	for (size_t i = 0; !err && i < wants.n; i++) {
		if (wants.list[i].there)
			continue;
		err = add(space, service, &wants.list[i], verdict);
		*ret_changed = true;
	}
	if (*ret_changed)
		sks_store_mark(space, number);
out:
	free(wants.list);
	return err;
}

int sks_moved_settle(struct sks_space *space, const struct sks_service *service,
		     struct sks_verdict *verdict)
{
	bool changed = false;

	return settle(space, service, &changed, verdict);
}

bool sks_moved_settle_all(struct sks_space *space)
{
	struct sks_verdict verdict = {};
	bool changed = false;

	for (uint32_t i = 0; i < space->n_services; i++) {
		const struct sks_service *service = &space->maps.services[i];

		if (space->has_moved[i] && sks_in_next(space, service))
			(void)settle(space, service, &changed, &verdict);
	}
	return changed;
}
