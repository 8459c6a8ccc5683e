// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns that what is not exclusive gives way to sockets that come later (see yield.h). */
#include <errno.h>
#include <time.h>

#include "../common/cleanup.h"
#include "change.h"
#include "claims.h"
#include "conflict.h"
#include "enter.h"
#include "exclusive.h"
#include "log.h"
#include "policy.h"
#include "yield.h"

/* So that a port is left out within a second. */
#define PAUSE_US 300000
#define LONG_US	 600000
/* Of our time one part in so many: */
#define LOOK_SHARE 60 /* may be spent on looking, while that does not make it too rare */
#define BUSY_SHARE 8  /* else, and where something has changed: what comes and goes costs us all */

static int64_t now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Which services have anything that yields? */
static bool find_yielding(const struct sks_space *space, uint8_t yields[SKS_MAX_SERVICES])
{
	uint32_t epoch = sks_epoch(&space->maps);
	struct sks_range part;
	bool any = false;

	for (uint32_t i = 0; i < space->n_bindings; i++) {
		const struct sks_binding *binding = &space->maps.bindings[i];

		if (!sks_binding_is_asked(binding) || binding->first == binding->last ||
		    !sks_binding_counts(space, binding, epoch) ||
		    !sks_ports_yield(space, binding->last - binding->first + 1u, binding->first,
				     binding->last, &part))
			continue;
		yields[binding->service] = 1;
		any = true;
	}
	return any;
}

/* At all that yield of the service's user: so the sockets of others are listed once. */
static int look_at_user(struct sks_space *space, struct sks_service *service,
			uint8_t yields[SKS_MAX_SERVICES], int netns)
{
	const struct sks_peer peer = sks_policy_absent(service->uid);
	uint8_t among[SKS_MAX_SERVICES] = {};
	const struct sks_scope scope = { .among = among };
	struct sks_verdict verdict = {};
	struct sks_routes routes = {};
	struct sks_change change = {
		.space = space,
		.peer = &peer,
		.netns = netns,
		.service = service,
		.among = among,
		.fd = -1,
		.verdict = &verdict,
	};
	int err;

	for (uint32_t i = 0; i < space->n_services; i++) {
		among[i] = yields[i] && space->maps.services[i].uid == service->uid;
		yields[i] &= !among[i];
	}
	err = sks_routes_resolve(space, sks_next_epoch(space), scope, NULL, &routes, &verdict);
	if (!err)
		err = sks_conflict_leave_out(&change, &routes);
	sks_routes_free(&routes);
	return err;
}

/* True: something has changed. */
static bool look_at(struct sks_space *space)
{
	uint8_t yields[SKS_MAX_SERVICES] = {};
	CLEANUP_FD int netns = -1;
	int err = 0;

	if (space->unsettled || !find_yielding(space, yields))
		return false;
	netns = sks_enter(space);
	if (netns < 0 || sks_claims_see_local(space, netns))
		return false;
	for (uint32_t i = 0; !err && i < space->n_services; i++)
		err = yields[i] ? look_at_user(space, &space->maps.services[i], yields, netns) : 0;
	if (err || (!space->touched.n && !space->touched.all)) {
		sks_store_abort(space);
		return false;
	}
	if (!sks_change_republish(space))
		sks_log(SKS_LOG_INFO,
			"net-%llu: sockets of others have come or gone, other ports "
			"are left out now",
			(unsigned long long)space->ino);
	return true;
}

/* After a look that took so long, from its end to the next one's beginning. */
static int64_t pause_after(int64_t took, bool changed)
{
	int64_t busy = took * BUSY_SHARE, pause = changed ? busy : took * LOOK_SHARE;

	if (pause > LONG_US)
		pause = busy > LONG_US ? busy : LONG_US;
	return pause > PAUSE_US ? pause : PAUSE_US;
}

void sks_yields_look(struct sks_spaces *spaces)
{
	static int64_t next;
	int64_t begin = now_us(), end;
	bool changed = false;

	if (begin < next)
		return;
	for (size_t i = 0; i < spaces->n; i++)
		changed |= look_at(spaces->spaces[i]);
	end = now_us();
	next = end + pause_after(end - begin, changed);
}
