// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns specs that slept and count again (see awake.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "awake.h"
#include "conflict.h"
#include "holder.h"
#include "inside.h"
#include "instance.h"
#include "log.h"
#include "resolve.h"

static bool has_woken(const struct sks_space *space, const struct sks_service *service)
{
	return sks_in_next(space, service) &&
	       sks_owner(service, sks_next_epoch(space))->spec !=
		       sks_owner(service, sks_epoch(&space->maps))->spec;
}

/* The namespace, by whoever has a socket of the service; the caller owns it. -ESRCH: nobody. */
static int enter_by(const struct sks_space *space, const struct sks_service *service)
{
	int netns = sks_netns_of_process(getpid(), space->ino);
	struct sks_holders holders = {};
	uint32_t inode = 0;

	for (uint32_t i = 1; netns < 0 && i < space->n_slots; i++) {
		const struct sks_slot *slot = &space->maps.slots[i];

		if (!slot->cookie || sks_service_of_slot(space, i) != service)
			continue;
		netns = sks_netns_of_process((pid_t)slot->pid, space->ino);
		inode = slot->inode;
	}
	if (netns < 0 && inode)
		(void)sks_holders_find(&inode, 1, &holders);
	for (size_t i = 0; netns < 0 && i < holders.n; i++)
		netns = sks_netns_of_process(holders.list[i].pid, space->ino);
	free(holders.list);
	return netns;
}

static int judge(struct sks_space *space, struct sks_service *service, struct sks_verdict *verdict)
{
	const struct sks_peer peer = { .uid = service->uid, .root = !service->uid };
	CLEANUP_FD int netns = enter_by(space, service);
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
		err = sks_conflict_check(&change, &routes);
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
		sks_log(SKS_LOG_WARNING, "\"%s\" does not get its earlier ports back: %s",
			service->label, *verdict.text ? verdict.text : strerror(-err));
		sks_instance_forget(space, service);
	}
}
