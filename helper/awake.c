// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns specs that slept and count again (see awake.h). */
#include <errno.h>
#include <string.h>

#include "../common/cleanup.h"
#include "awake.h"
#include "claims.h"
#include "conflict.h"
#include "enter.h"
#include "instance.h"
#include "log.h"
#include "policy.h"
#include "resolve.h"

static bool has_woken(const struct sks_space *space, const struct sks_service *service)
{
	return sks_in_next(space, service) &&
	       sks_owner(service, sks_next_epoch(space))->spec !=
		       sks_owner(service, sks_epoch(&space->maps))->spec;
}

static int judge(struct sks_space *space, struct sks_service *service, struct sks_verdict *verdict)
{
	/*
	 * What it asks for, the policy has granted when it came, and that stays. But others may
	 * listen there since, and whether it may take a prefix from them can be its groups' matter.
	 */
	const struct sks_peer peer = sks_policy_absent(service->uid);
	CLEANUP_FD int netns = sks_enter(space);
	struct sks_change change = {
		.space = space,
		.peer = &peer,
		.netns = netns,
		.service = service,
		.fd = -1,
		.verdict = verdict,
	};
	struct sks_ranges ranges[2] = {};
	struct sks_scope scope = { .ranges = ranges };
	struct sks_routes routes = {};
	int err = netns < 0 ? netns : sks_store_affected(space, ranges);

	if (!err)
		err = sks_routes_resolve(space, sks_next_epoch(space), scope, NULL, &routes,
					 verdict);
	if (!err)
		err = sks_conflict_check(&change, ranges, &routes);
	if (!err)
		err = sks_conflict_leave_out(&change, &routes);
	sks_routes_free(&routes);
	sks_ranges_free(&ranges[SKS_TCP]);
	sks_ranges_free(&ranges[SKS_UDP]);
	return err;
}

void sks_awake(struct sks_space *space)
{
	for (uint32_t i = 0; i < space->n_services; i++) {
		struct sks_service *service = &space->maps.services[i];
		struct sks_verdict verdict = {};
		int err = has_woken(space, service) ? judge(space, service, &verdict) : 0;

		if (!err)
			continue;
		sks_claims_settle(space, false);
		sks_log_of(service->uid, SKS_LOG_WARNING,
			   "\"%s\" does not get its earlier ports back: %s", service->label,
			   *verdict.text ? verdict.text : strerror(-err));
		sks_instance_forget(space, service);
	}
}
