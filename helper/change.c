// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the way from records of the next state to its publication: judged, compiled, all or nothing.
 */
#include <errno.h>
#include <string.h>

#include "../common/cleanup.h"

#include "awake.h"
#include "change.h"
#include "claims.h"
#include "compile.h"
#include "conflict.h"
#include "dest.h"
#include "enter.h"
#include "events.h"
#include "instance.h"
#include "log.h"
#include "moved.h"
#include "policy.h"
#include "reply_end.h"
#include "slot.h"
#include "tally.h"

/* What a change of some ports is made of. */
struct plan {
	struct sks_ranges ranges[2]; /* merged, by protocol */
	struct sks_routes routes;    /* all that touch them, of the next state */
};

static void free_plan(struct plan *plan)
{
	sks_ranges_free(&plan->ranges[SKS_TCP]);
	sks_ranges_free(&plan->ranges[SKS_UDP]);
	sks_routes_free(&plan->routes);
}

static int make_plan(struct sks_space *space, const struct sks_service *judged, struct plan *plan,
		     struct sks_verdict *verdict)
{
	struct sks_scope scope = { .ranges = plan->ranges };
	int err = sks_store_affected(space, plan->ranges);

	return err
		       ?: sks_routes_resolve(space, sks_next_epoch(space), scope, judged,
					     &plan->routes, verdict);
}

static int compile(struct sks_space *space, struct plan *plan, enum sks_judged judged,
		   struct sks_verdict *verdict)
{
	struct sks_routes pieces = {};
	int err = sks_routes_cut(space, sks_next_epoch(space), &plan->routes, &pieces);

	if (!err)
		err = sks_compile(space, plan->ranges, &plan->routes, &pieces, judged, verdict);
	sks_routes_free(&pieces);
	return err;
}

/* Into the sockmap; steered to only once it is linked. */
static int take_socket(const struct sks_change *change, uint32_t *ret_slot)
{
	struct sks_slot slot = change->slot;
	int err;

	slot.cookie = change->socket->cookie;
	slot.pid = (uint32_t)change->peer->pid;
	slot.inode = change->socket->inode;
	slot.families = change->socket->families;
	err = sks_slot_take(change->space, change->dest, change->fd, &slot, ret_slot);
	if (err == -ENOSPC || *sks_bpf_why())
		return sks_refuse_room(change->verdict, err, "sockets", SKS_MAX_SLOTS - 1);
	if (err == -ETIMEDOUT)
		return sks_refuse(change->verdict, err, "its process keeps the socket locked");
	if (err)
		return sks_refuse(change->verdict, err, "the kernel does not steer this socket: %s",
				  strerror(-err));
	return 0;
}

static int judge_and_compile(struct sks_change *change)
{
	struct sks_space *space = change->space;
	struct plan plan = {};
	int err = sks_policy_quota(change);

	/* All that it opens is looked at: what it leaves to others may be another matter now. */
	for (uint32_t i = 0; i < space->n_services; i++) {
		if (sks_changes(change, (uint16_t)i))
			sks_store_mark(space, (uint16_t)i);
	}
	/* Where several change, their sockets stay as they are. */
	if (!err && !change->among)
		err = sks_moved_settle(space, change->service, change->verdict);
	if (!err)
		err = make_plan(space, change->among ? NULL : change->service, &plan,
				change->verdict);
	if (!err)
		err = sks_conflict_check(change, plan.ranges, &plan.routes);
	if (!err)
		err = sks_conflict_leave_out(change, &plan.routes);
	/* The ranges are the table's once it is compiled. */
	if (!err && !change->dry && sks_replies_may_end(space, change->service))
		sks_replies_note(space, change->netns, &plan.ranges[SKS_UDP], &change->replies);
	if (!err)
		err = compile(space, &plan, change->peer->root ? SKS_JUDGED_ROOT : SKS_JUDGED_USER,
			      change->verdict);
	free_plan(&plan);
	return err;
}

/*
 * The families in which a socket may enter its destination's chains before the commit: those that
 * nobody can follow yet, or that it only makes longer. Others open after it: a family that has not
 * been served so far, and all where it comes before those that serve.
 */
static uint32_t open_before(const struct sks_change *change, const struct sks_dest *dest)
{
	uint32_t epoch = sks_epoch(&change->space->maps), families = sks_dest_families(dest, epoch);

	if (dest->born == epoch + 1 || !families)
		return SKS_SERVES_BOTH;
	for (unsigned int family = SKS_V4; family <= SKS_V6; family++) {
		if ((change->takes_over || change->promotes) && dest->slot[family])
			families &= ~(1u << family);
	}
	return families;
}

/* Cannot fail. */
static void commit(struct sks_space *space)
{
	sks_event_owners(space);
	sks_store_commit(space);
	sks_compile_publish(space);
}

static bool takes_over(const struct sks_change *change, uint32_t i)
{
	const struct sks_slot *slot = &change->space->maps.slots[i];

	return slot->cookie && slot->flags & SKS_SLOT_STANDBY && slot->since == change->promotes &&
	       sks_service_of_slot(change->space, i) == change->service;
}

/* They stand by until the commit, which names their instance: so whoever starts in between knows. */
static void publish_promotion(struct sks_change *change)
{
	struct sks_space *space = change->space;
	uint8_t before[SKS_MAX_SLOTS];

	memset(before, 0, space->n_slots);

	for (uint32_t i = 1; i < space->n_slots; i++) {
		if (!takes_over(change, i))
			continue;
		before[i] =
			(uint8_t)open_before(change, &space->maps.dests[space->maps.slots[i].dest]);
		sks_slot_link(space, i, before[i], -1);
	}
	commit(space);
	for (uint32_t i = 1; i < space->n_slots; i++) {
		if (!takes_over(change, i))
			continue;
		sks_slot_promote(space, i);
		sks_slot_link(space, i, ~(uint32_t)before[i], -1);
	}
	sks_slots_settle(space);
}

static void publish(struct sks_change *change, uint32_t slot)
{
	struct sks_space *space = change->space;
	bool serves = slot && !(change->slot.flags & SKS_SLOT_STANDBY);
	uint32_t before = serves ? open_before(change, change->dest) : 0;

	if (serves)
		sks_slot_link(space, slot, before, change->fd);
	commit(space);
	if (serves)
		sks_slot_link(space, slot, ~before, change->fd);
}

int sks_change_finish(struct sks_change *change)
{
	uint32_t slot = 0;
	int err = 0;

	if (change->socket && !change->dry)
		err = take_socket(change, &slot);
	if (!err)
		err = judge_and_compile(change);
	if (!err && !change->dry) {
		if (change->promotes)
			publish_promotion(change);
		else
			publish(change, slot);
		if (slot) {
			sks_tally.registrations++;
			sks_event_registered(change->space, slot);
		}
		sks_replies_end(change->space, change->netns, &change->replies);
		return 0;
	}
	sks_replies_free(&change->replies);
	sks_compile_discard(change->space);
	if (slot)
		sks_slot_drop(change->space, slot);
	sks_store_abort(change->space);
	if (err && !change->verdict->err)
		(void)sks_refuse(change->verdict, err, "%s", strerror(-err));
	return err;
}

/* Where nobody asks, by way of who got the last one (reply_socket.c). Returns a descriptor of the
 * namespace, or -1: there is nothing to do after. */
static int note_replies(struct sks_space *space, const struct sks_ranges *udp,
			struct sks_reply_list *replies)
{
	CLEANUP_FD int netns = udp->n ? sks_enter_known(space) : -1;

	if (netns >= 0)
		sks_replies_note(space, netns, udp, replies);
	return replies->n ? sks_take_fd(&netns) : -1;
}

int sks_change_republish(struct sks_space *space)
{
	struct sks_reply_list replies = {};
	struct sks_verdict verdict = {};
	CLEANUP_FD int netns = -1;
	struct plan plan = {};
	int err = make_plan(space, NULL, &plan, &verdict);

	if (!err)
		err = sks_claims_take(space, plan.ranges, &plan.routes);
	if (!err)
		netns = note_replies(space, &plan.ranges[SKS_UDP], &replies);
	if (!err)
		err = compile(space, &plan, SKS_JUDGED_NOBODY, &verdict);
	free_plan(&plan);
	if (err) {
		sks_replies_free(&replies);
		sks_log(SKS_LOG_ERR, "namespace %llu: %s %s", (unsigned long long)space->ino,
			strerror(-err), verdict.text);
		sks_compile_discard(space);
		sks_store_abort(space);
		return err;
	}
	commit(space);
	sks_replies_end(space, netns, &replies);
	return 0;
}

/* Ephemeral services without a socket are over. */
static bool end_services(struct sks_space *space)
{
	uint8_t up[SKS_MAX_SERVICES] = {};
	bool any = false;

	for (uint32_t i = 1; i < space->n_slots; i++) {
		if (space->maps.slots[i].cookie)
			up[sks_service_of_slot(space, i) - space->maps.services] = 1;
	}
	for (uint32_t i = 0; i < space->n_services; i++) {
		struct sks_service *service = &space->maps.services[i];

		if (!sks_in_next(space, service) || service->named || up[i])
			continue;
		sks_log_of(service->uid, SKS_LOG_INFO, "%s is over: its last socket is closed",
			   service->label);
		sks_service_kill(space, service);
		any = true;
	}
	return any;
}

static bool fall_back(struct sks_space *space)
{
	bool any = sks_instances_fall_back(space);

	if (any)
		sks_awake(space);
	return any;
}

void sks_change_sweep(struct sks_space *space, int64_t now_ms)
{
	/* What could not be published the last time is still to be done. */
	unsigned int closed = now_ms ? sks_slots_sweep(space) : sks_slots_drop_closed(space);
	bool gone = closed > 0 || space->unsettled, ended = end_services(space);
	bool pruned = now_ms && sks_dests_prune(space, now_ms);
	bool fell_back = gone && fall_back(space);
	bool moved = gone && sks_moved_settle_all(space);

	if (gone || ended || pruned || fell_back || moved)
		space->unsettled = sks_change_republish(space) != 0;
}

void sks_change_recover(struct sks_space *space)
{
	(void)fall_back(space);
	(void)sks_moved_settle_all(space);
	(void)sks_change_republish(space);
	sks_change_sweep(space, 0);
}
