// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns SKS_OP_APPLY: whatever labels of the user have by sksteerctl becomes what is listed, in one
 * change. What specs have brought stays.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/cleanup.h"

#include "apply_text.h"
#include "binding.h"
#include "change.h"
#include "dest.h"
#include "handout.h"
#include "policy.h"
#include "policy_usage.h"
#include "request.h"
#include "sealed.h"

#define REMARKED 64 /* bindings that are looked at for what else there is to say */

struct apply {
	struct sks_asked *asked;
	struct sks_space *space;
	struct sks_listed listed;
	uint8_t *found;		  /* by target: a binding says so already */
	struct sks_target *added; /* those that none does */
	size_t n_added;
	FILE *told; /* what changes, a line each */
	bool any;
	/* By service: */
	uint8_t own[SKS_MAX_SERVICES];	   /* a label of the user */
	uint8_t changed[SKS_MAX_SERVICES]; /* that is given or loses something */
	uint8_t kept[SKS_MAX_SERVICES];	   /* that has something left */
	uint8_t opens[SKS_MAX_SERVICES];   /* 1 << SKS_TCP, 1 << SKS_UDP: at addresses of its own */
};

/* --- what is listed --------------------------------------------------------------------------- */

/* What the user could be granted takes no more; to read more would keep others waiting. */
static int most_bytes(const struct sks_asked *asked, size_t *ret_most)
{
	const struct sks_peer *peer = &asked->peer;
	uint64_t ports = sks_policy_most(peer, SKS_POLICY_MAX_PORTS);
	uint64_t labels = sks_policy_most(peer, SKS_POLICY_MAX_LABELS), most;
	struct sks_usage now, next;
	int err = peer->root ? 0 : sks_usage_count(asked->spaces, peer->uid, &now, &next);

	if (err)
		return err;
	/* Who has more than a quota that has changed may keep it. */
	if (!peer->root && now.ports > ports)
		ports = now.ports;
	most = SKS_SPEC_MAX + SKS_APPLY_LINE * (ports + labels);
	*ret_most = most < SKS_APPLY_MAX ? (size_t)most : SKS_APPLY_MAX;
	return 0;
}

static int read_text(struct sks_asked *asked, char **ret_text, size_t *ret_len)
{
	size_t most = 0;
	int err = most_bytes(asked, &most) ?: sks_sealed_read(asked->fd, most, ret_text, ret_len);

	switch (err) {
	case 0:
		return 0;
	case -EINVAL:
		return sks_refuse(&asked->verdict, err,
				  "the list is not in a memfd that is sealed against changes");
	case -EFBIG:
		return sks_refuse(&asked->verdict, err,
				  "the list has more than %zu bytes, which is more than user %u "
				  "could be granted",
				  most, asked->peer.uid);
	default:
		return sks_refuse(&asked->verdict, err, "the list cannot be read: %s",
				  strerror(-err));
	}
}

/* --- the next state --------------------------------------------------------------------------- */

static void tell(struct apply *apply, char sign, const char *label, const struct sks_target *target)
{
	char text[SKS_TARGET_STRLEN];

	(void)fprintf(apply->told, "%c %s %s%s\n", sign, label, sks_target_format(target, text),
		      target->proto == IPPROTO_TCP ? "/tcp" : "");
	apply->any = true;
}

static void find_services(struct apply *apply)
{
	const struct sks_space *space = apply->space;

	for (uint32_t i = 0; i < space->n_services; i++) {
		const struct sks_service *service = &space->maps.services[i];
		struct sks_listed_label *label;

		if (!sks_in_next(space, service) || !service->named ||
		    service->uid != apply->asked->peer.uid)
			continue;
		apply->own[i] = 1;
		label = sks_listed_find(&apply->listed, service->label);
		if (label)
			label->service = (uint16_t)i;
	}
}

/* Is it listed for its own label, for the first time? */
static bool keeps(struct apply *apply, const struct sks_binding *binding)
{
	const struct sks_listed *listed = &apply->listed;
	size_t i = sks_finder_find(listed->finder, binding);

	if (!i-- || apply->found[i] ||
	    listed->labels[listed->targets[i].label].service != binding->service)
		return false;
	apply->found[i] = 1;
	return true;
}

static void drop_unlisted(struct apply *apply)
{
	struct sks_space *space = apply->space;

	for (uint32_t i = 0; i < space->n_bindings; i++) {
		struct sks_binding *binding = &space->maps.bindings[i];
		struct sks_target target;

		if (!apply->own[binding->service] || !sks_binding_is_asked(binding) ||
		    !sks_in_next(space, binding))
			continue;
		if (binding->source != SKS_FROM_CTL || keeps(apply, binding)) {
			apply->kept[binding->service] = 1;
			continue;
		}
		target = sks_binding_target(binding);
		tell(apply, '-', space->maps.services[binding->service].label, &target);
		apply->changed[binding->service] = 1;
		sks_store_kill_binding(space, binding);
	}
}

static void find_added(struct apply *apply)
{
	for (size_t i = 0; i < apply->listed.n_targets; i++) {
		const struct sks_listed_target *target = &apply->listed.targets[i];
		struct sks_listed_label *label = &apply->listed.labels[target->label];

		if (apply->found[i])
			continue;
		tell(apply, '+', label->name, &target->target);
		label->grows = true;
		apply->added[apply->n_added++] = target->target;
	}
}

static int judge_added(const struct apply *apply)
{
	struct sks_asked *asked = apply->asked;
	const struct sks_listed_label *labels = apply->listed.labels;
	int err = 0;

	for (size_t i = 0; !err && i < apply->listed.n_labels; i++) {
		if (labels[i].grows)
			err = sks_policy_label(&asked->peer, labels[i].name, &asked->verdict);
	}
	return err
		       ?: sks_policy_targets(&asked->peer, asked->netns, apply->added,
					     apply->n_added, &asked->verdict);
}

static int add_labels(struct apply *apply)
{
	struct sks_asked *asked = apply->asked;

	for (size_t i = 0; i < apply->listed.n_labels; i++) {
		struct sks_listed_label *label = &apply->listed.labels[i];
		struct sks_service *service;
		int err;

		if (!label->grows || label->service != SKS_NO_SERVICE)
			continue;
		err = sks_service_add(apply->space, &asked->peer, label->name, &service);
		if (err)
			return sks_refuse_room(&asked->verdict, err, "services", SKS_MAX_SERVICES);
		label->service = sks_service_number(apply->space, service);
	}
	return 0;
}

static int add_targets(struct apply *apply)
{
	const struct sks_listed *listed = &apply->listed;
	int err = 0;

	for (size_t i = 0; !err && i < listed->n_targets; i++) {
		const struct sks_target *target = &listed->targets[i].target;
		uint16_t number = listed->labels[listed->targets[i].label].service;

		if (apply->found[i])
			continue;
		err = sks_binding_add(apply->space, &apply->space->maps.services[number], target,
				      SKS_FROM_CTL, 0, &apply->asked->verdict);
		apply->changed[number] = apply->kept[number] = 1;
		if (target->where != SKS_WHERE_LISTENER)
			apply->opens[number] |=
				1u << (target->proto == IPPROTO_UDP ? SKS_UDP : SKS_TCP);
	}
	return err;
}

/* Until its server comes, a label refuses at the addresses that it was given. */
static int stand_in(struct apply *apply)
{
	struct sks_space *space = apply->space;
	int err = 0;

	for (uint32_t i = 0; !err && i < space->n_services; i++) {
		for (uint8_t proto = SKS_TCP; !err && proto <= SKS_UDP; proto++) {
			if (apply->opens[i] & 1u << proto)
				err = sks_dest_stand_in(space, &space->maps.services[i], proto);
		}
	}
	return err ? sks_refuse_room(&apply->asked->verdict, err, "listeners", SKS_MAX_DESTS - 1)
		   : 0;
}

/* A label that has lost all that it had, sockets too: nobody would miss it. */
static void end_labels(struct apply *apply)
{
	struct sks_space *space = apply->space;
	uint8_t ended[SKS_MAX_SERVICES] = {};
	bool any = false;

	for (uint32_t i = 1; i < space->n_slots; i++) {
		if (space->maps.slots[i].cookie)
			apply->kept[sks_service_of_slot(space, i) - space->maps.services] = 1;
	}
	for (uint32_t i = 0; i < space->n_services; i++) {
		ended[i] = apply->changed[i] && !apply->kept[i];
		any |= ended[i];
	}
	if (any)
		sks_services_kill(space, ended);
}

static int write_next(struct apply *apply)
{
	int err;

	find_services(apply);
	drop_unlisted(apply);
	find_added(apply);
	err = judge_added(apply) ?: add_labels(apply) ?: add_targets(apply) ?: stand_in(apply);
	if (!err)
		end_labels(apply);
	return err;
}

/* --- the answer ------------------------------------------------------------------------------- */

static int hand_out(struct sks_asked *asked, const char *text)
{
	int fd = sks_handout(text, asked->peer.uid);

	if (fd == -EDQUOT)
		return sks_refuse(&asked->verdict, fd, "%u reports of user %u are still open",
				  SKS_HANDOUTS_A_USER, asked->peer.uid);
	if (fd < 0)
		return sks_refuse(&asked->verdict, fd, "cannot write what changes: %s",
				  strerror(-fd));
	asked->ret_fd = fd;
	return 0;
}

static int finish(struct apply *apply)
{
	struct sks_asked *asked = apply->asked;
	const uint8_t *any = memchr(apply->changed, 1, sizeof(apply->changed));
	struct sks_change change = sks_ask_change(
		asked, apply->space, &apply->space->maps.services[any - apply->changed]);

	change.among = apply->changed;
	change.dry = asked->req->flags & SKS_APPLY_DRY;
	return sks_change_finish(&change);
}

static int work(struct apply *apply, char **told, size_t *len)
{
	struct sks_asked *asked = apply->asked;
	int err;

	apply->found = calloc(apply->listed.n_targets + 1, sizeof(*apply->found));
	apply->added = calloc(apply->listed.n_targets + 1, sizeof(*apply->added));
	apply->told = open_memstream(told, len);
	if (!apply->found || !apply->added || !apply->told)
		return sks_refuse(&asked->verdict, -ENOMEM, "%s", strerror(ENOMEM));
	err = write_next(apply);
	if (!err && (fflush(apply->told) || ferror(apply->told)))
		err = sks_refuse(&asked->verdict, -ENOMEM, "%s", strerror(ENOMEM));
	if (!err && apply->any)
		err = hand_out(asked, *told);
	if (err) {
		sks_store_abort(apply->space);
		return err;
	}
	return apply->any ? finish(apply) : 0;
}

static void apply_listed(struct apply *apply)
{
	struct sks_asked *asked = apply->asked;
	char *told = NULL;
	size_t len = 0;
	int err = 0;

	apply->space = sks_spaces_find(asked->spaces, asked->netns_ino);
	if (!apply->space && apply->listed.n_targets)
		err = sks_spaces_get(asked->spaces, asked->netns, asked->netns_ino, &apply->space);
	if (err)
		(void)sks_refuse_setup(&asked->verdict, err);
	if (!apply->space)
		return;
	sks_change_sweep(apply->space, 0); /* what has gone is not in the way */
	err = work(apply, &told, &len);
	if (apply->told)
		(void)fclose(apply->told);
	free(told);
	if (err)
		sks_closep(&asked->ret_fd);
	if (err)
		asked->ret_fd = -1;
	else
		sks_targets_remark(asked->netns, apply->added,
				   apply->n_added < REMARKED ? apply->n_added : REMARKED,
				   &asked->verdict);
	free(apply->found);
	free(apply->added);
}

void sks_ask_apply(struct sks_asked *asked)
{
	struct apply *apply = calloc(1, sizeof(*apply));
	char *text = NULL;
	size_t len = 0;

	if (!apply) {
		(void)sks_refuse(&asked->verdict, -ENOMEM, "%s", strerror(ENOMEM));
		return;
	}
	apply->asked = asked;
	if (!read_text(asked, &text, &len) &&
	    !sks_apply_parse(text, len, &apply->listed, &asked->verdict))
		apply_listed(apply);
	sks_listed_free(&apply->listed);
	free(text);
	free(apply);
}
