// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the way from records of the next state to its publication: judged, compiled, all or nothing.
 */
#include <errno.h>
#include <string.h>

#include "change.h"
#include "compile.h"
#include "conflict.h"
#include "log.h"
#include "policy.h"

/* Compiles the next state from these routes; *ret_classes as in sks_compile. */
static int compile(struct sks_space *space, const struct sks_routes *routes,
		   struct sks_classes **ret_classes, struct sks_verdict *verdict)
{
	struct sks_routes pieces = {};
	int err = sks_routes_cut(space, routes, &pieces);

	if (!err)
		err = sks_compile(space, &pieces, ret_classes, verdict);
	sks_routes_free(&pieces);
	return err;
}

static int join(struct sks_change *change)
{
	struct sks_slot slot = {
		.cookie = change->socket->cookie,
		.pid = (uint32_t)change->peer->pid,
		.weight = 100,
		.families = change->socket->families,
	};
	uint32_t number;
	int err = sks_store_add_socket(change->space, change->dest, change->fd, &slot, &number);

	if (err == -ENOSPC)
		return sks_refuse(change->verdict, err,
				  "this namespace has no room for more sockets (%u)",
				  SKS_MAX_SLOTS - 1);
	if (err)
		return sks_refuse(change->verdict, err, "the kernel does not steer this socket: %s",
				  strerror(-err));
	return 0;
}

int sks_change_finish(struct sks_change *change)
{
	struct sks_space *space = change->space;
	struct sks_classes *classes = NULL;
	struct sks_routes routes = {};
	int err = sks_policy_check(change);

	if (!err)
		err = sks_routes_resolve(space, sks_next_epoch(space), &routes, change->verdict);
	if (!err)
		err = sks_conflict_check(change, &routes);
	if (!err)
		err = sks_conflict_leave_out(change, &routes);
	if (!err)
		err = compile(space, &routes, &classes, change->verdict);
	/* The last step that can fail; connections come in with the commit, or already by a route
	 * that the service had. */
	if (!err && change->socket && !change->dry)
		err = join(change);
	sks_routes_free(&routes);
	if (err || change->dry) {
		sks_classes_discard(space, classes);
		sks_store_abort(space);
	} else {
		sks_store_commit(space);
		sks_classes_publish(space, classes);
	}
	if (err && !change->verdict->err)
		(void)sks_refuse(change->verdict, err, "%s", strerror(-err));
	return err;
}

int sks_change_republish(struct sks_space *space)
{
	struct sks_verdict verdict = {};
	struct sks_classes *classes = NULL;
	struct sks_routes routes = {};
	int err = sks_routes_resolve(space, sks_next_epoch(space), &routes, &verdict);

	if (!err)
		err = compile(space, &routes, &classes, &verdict);
	sks_routes_free(&routes);
	if (err) {
		sks_log(SKS_LOG_ERR, "namespace %llu: %s %s", (unsigned long long)space->ino,
			strerror(-err), verdict.text);
		sks_store_abort(space);
		return err;
	}
	sks_store_commit(space);
	sks_classes_publish(space, classes);
	return 0;
}

void sks_change_end_services(struct sks_space *space)
{
	unsigned int ended = 0;

	for (uint32_t i = 0; i < space->n_services; i++) {
		struct sks_service *service = &space->maps.services[i];

		if (!sks_in_next(space, service) || service->named ||
		    sks_service_sockets(space, service))
			continue;
		sks_log(SKS_LOG_INFO, "%s is over: its last socket is closed", service->label);
		sks_service_kill(space, service);
		ended++;
	}
	if (ended)
		(void)sks_change_republish(space);
}

bool sks_change_sweep(struct sks_space *space)
{
	if (!sks_store_sweep(space))
		return false;
	sks_change_end_services(space);
	return true;
}
