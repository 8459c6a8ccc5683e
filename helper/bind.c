// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns what sksteerctl changes: bind and unbind of a label's targets, and unload. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "binding.h"
#include "change.h"
#include "dest.h"
#include "log.h"
#include "policy.h"
#include "reply_end.h"
#include "request.h"

static int parse(struct sks_asked *asked, const struct sks_target **ret_targets, size_t *ret_n)
{
	int err = sks_targets_parse(asked->spec, asked->req->spec_len, ret_targets, ret_n,
				    &asked->verdict);
	char text[SKS_TARGET_STRLEN];

	if (err)
		return err;
	if (!*asked->req->label || !*ret_n)
		return sks_refuse(&asked->verdict, -EINVAL,
				  "neither without a label nor without a spec");
	for (size_t i = 0; i < *ret_n; i++) {
		const struct sks_target *target = &(*ret_targets)[i];

		if (target->listener_port)
			return sks_refuse(&asked->verdict, -EINVAL,
					  "%s: a binding of a label names no listener",
					  sks_target_format(target, text));
	}
	return 0;
}

/* The matches of one target. */
struct found {
	const struct sks_match *list;
	size_t n;
};

/* To be asked for one target after the other; *at is 0 before the first. */
static struct found found_of(const struct sks_matches *matches, size_t target, size_t *at)
{
	size_t begin = *at;

	while (*at < matches->n && matches->list[*at].target == target)
		++*at;
	return (struct found){ matches->list + begin, *at - begin };
}

/* A target that another label of the same owner holds moves over. */
static void take_over(struct sks_asked *asked, struct sks_space *space, uint16_t service,
		      const struct sks_target *target, const struct found *found)
{
	char text[SKS_TARGET_STRLEN];

	for (size_t i = 0; i < found->n; i++) {
		const struct sks_match *match = &found->list[i];

		if (match->service == service)
			continue;
		sks_store_kill_binding(space, &space->maps.bindings[match->binding]);
		/* Its spec and sksteerctl may both have brought it. */
		if (!i || found->list[i - 1].service != match->service)
			sks_remark(&asked->verdict, "%s moved over from \"%s\"",
				   sks_target_format(target, text),
				   space->maps.services[match->service].label);
	}
}

static int add_target(struct sks_asked *asked, struct sks_space *space,
		      const struct sks_service *service, const struct sks_target *target,
		      const struct found *found)
{
	uint16_t number = sks_service_number(space, service);
	struct sks_binding *of_spec = NULL;

	for (size_t i = 0; i < found->n; i++) {
		struct sks_binding *binding = &space->maps.bindings[found->list[i].binding];

		if (binding->service == number && binding->source == SKS_FROM_CTL)
			return 0;
		if (binding->service == number && !of_spec)
			of_spec = binding;
	}
	/* What only the server's spec has would go with its next spec. */
	if (of_spec)
		sks_store_kill_binding(space, of_spec);
	take_over(asked, space, number, target, found);
	return sks_binding_add(space, service, target, SKS_FROM_CTL, 0, &asked->verdict);
}

static int add_targets(struct sks_asked *asked, struct sks_space *space,
		       const struct sks_service *service, const struct sks_target *targets,
		       size_t n)
{
	struct sks_matches matches = {};
	size_t at = 0;
	int err = sks_targets_match(space, service->uid, targets, n, &matches);

	if (err)
		return sks_refuse(&asked->verdict, err, "%s", strerror(-err));
	for (size_t i = 0; !err && i < n; i++) {
		struct found found = found_of(&matches, i, &at);

		err = add_target(asked, space, service, &targets[i], &found);
	}
	free(matches.list);
	return err;
}

static int finish(struct sks_asked *asked, struct sks_space *space, struct sks_service *service)
{
	struct sks_change change = sks_ask_change(asked, space, service);

	return sks_change_finish(&change);
}

/* Until its server comes, a label refuses at the addresses that it was given. */
static int stand_in(struct sks_asked *asked, struct sks_space *space,
		    const struct sks_service *service, const struct sks_target *targets, size_t n)
{
	bool needed[2] = {};
	int err = 0;

	for (size_t i = 0; i < n; i++) {
		if (targets[i].where != SKS_WHERE_LISTENER)
			needed[targets[i].proto == IPPROTO_UDP ? SKS_UDP : SKS_TCP] = true;
	}
	for (uint8_t proto = SKS_TCP; !err && proto <= SKS_UDP; proto++)
		err = needed[proto] ? sks_dest_stand_in(space, service, proto) : 0;
	return err ? sks_refuse_room(&asked->verdict, err, "listeners", SKS_MAX_DESTS - 1) : 0;
}

static int try_bind(struct sks_asked *asked, struct sks_space *space,
		    const struct sks_target *targets, size_t n)
{
	struct sks_service *service =
		sks_service_find(space, asked->peer.uid, asked->req->label, NULL);
	int err = service ? 0 : sks_service_add(space, &asked->peer, asked->req->label, &service);

	if (err)
		return sks_refuse_room(&asked->verdict, err, "services", SKS_MAX_SERVICES);
	err = add_targets(asked, space, service, targets, n)
		      ?: stand_in(asked, space, service, targets, n);
	if (err) {
		sks_store_abort(space);
		return err;
	}
	return finish(asked, space, service);
}

void sks_ask_bind(struct sks_asked *asked)
{
	const struct sks_target *targets;
	struct sks_space *space;
	size_t n;
	int err;

	if (parse(asked, &targets, &n) ||
	    sks_policy_label(&asked->peer, asked->req->label, &asked->verdict) ||
	    sks_policy_targets(&asked->peer, asked->netns, targets, n, &asked->verdict))
		return;
	err = sks_spaces_get(asked->spaces, asked->netns, asked->netns_ino, &space);
	if (err) {
		(void)sks_refuse_setup(&asked->verdict, err);
		return;
	}
	sks_change_sweep(space, 0); /* what has gone is not in the way */
	err = try_bind(asked, space, targets, n);
	if (!err)
		sks_targets_remark(asked->netns, targets, n, &asked->verdict);
}

/* Neither a socket nor a binding: a label that nobody would miss. */
static bool is_empty(const struct sks_space *space, const struct sks_service *service)
{
	uint16_t number = sks_service_number(space, service);
	uint32_t next = sks_next_epoch(space);

	for (uint32_t i = 0; i < space->n_bindings; i++) {
		const struct sks_binding *binding = &space->maps.bindings[i];

		if (binding->service == number && sks_binding_is_asked(binding) &&
		    sks_alive(binding->born, binding->died, next))
			return false;
	}
	return !sks_service_sockets(space, service);
}

/* All of them: the server's spec and sksteerctl may both have brought it. */
static int remove_targets(struct sks_asked *asked, struct sks_space *space,
			  const struct sks_service *service, const struct sks_target *targets,
			  size_t n)
{
	uint16_t number = sks_service_number(space, service);
	struct sks_matches matches = {};
	char text[SKS_TARGET_STRLEN];
	size_t at = 0;
	int err = sks_targets_match(space, service->uid, targets, n, &matches);

	if (err)
		return sks_refuse(&asked->verdict, err, "%s", strerror(-err));
	for (size_t i = 0; !err && i < n; i++) {
		struct found found = found_of(&matches, i, &at);
		bool any = false;

		for (size_t k = 0; k < found.n; k++) {
			if (found.list[k].service != number)
				continue;
			sks_store_kill_binding(space, &space->maps.bindings[found.list[k].binding]);
			any = true;
		}
		if (!any)
			err = sks_refuse(&asked->verdict, -ENOENT, "\"%s\" has no binding %s",
					 service->label, sks_target_format(&targets[i], text));
	}
	free(matches.list);
	return err;
}

void sks_ask_unbind(struct sks_asked *asked)
{
	const struct sks_target *targets;
	struct sks_service *service;
	struct sks_space *space;
	size_t n;

	if (parse(asked, &targets, &n))
		return;
	service = sks_ask_label(asked, &space);
	if (!service)
		return;
	if (remove_targets(asked, space, service, targets, n)) {
		sks_store_abort(space);
		return;
	}
	if (!is_empty(space, service)) {
		(void)finish(asked, space, service);
		return;
	}
	sks_service_kill(space, service);
	if (sks_change_republish(space))
		(void)sks_refuse(&asked->verdict, -EIO, "cannot publish the change");
}

void sks_ask_unload(struct sks_asked *asked)
{
	struct sks_space *space = sks_spaces_find(asked->spaces, asked->netns_ino);
	struct sks_reply_list replies = {};

	if (!asked->peer.root) {
		(void)sks_refuse(&asked->verdict, -EPERM, "only root unloads");
		return;
	}
	if (space)
		sks_replies_note(space, asked->netns, NULL, &replies);
	if (sks_spaces_unload(asked->spaces, asked->netns_ino))
		(void)sks_refuse(&asked->verdict, -ENOENT, "nothing is loaded in this namespace");
	else
		sks_log(SKS_LOG_INFO, "net-%llu: unloaded by user %u",
			(unsigned long long)asked->netns_ino, asked->peer.uid);
	sks_replies_end(NULL, asked->netns, &replies);
}
