// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns what sksteerctl changes: bind and unbind of a label's targets, and unload. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "binding.h"
#include "change.h"
#include "dest.h"
#include "log.h"
#include "policy.h"
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

/* A target that another label of the same owner holds moves over. */
static void take_over(struct sks_asked *asked, struct sks_space *space,
		      const struct sks_service *service, const struct sks_target *target)
{
	char text[SKS_TARGET_STRLEN];

	for (uint32_t i = 0; i < space->n_services; i++) {
		struct sks_service *other = &space->maps.services[i];
		struct sks_binding *binding;

		if (other == service || !sks_in_next(space, other) || !other->named ||
		    other->uid != service->uid)
			continue;
		binding = sks_binding_find(space, other, target, true);
		if (!binding)
			continue;
		sks_store_kill_binding(space, binding);
		sks_remark(&asked->verdict, "%s moved over from \"%s\"",
			   sks_target_format(target, text), other->label);
	}
}

static int add_targets(struct sks_asked *asked, struct sks_space *space,
		       const struct sks_service *service, const struct sks_target *targets,
		       size_t n)
{
	int err = 0;

	for (size_t i = 0; !err && i < n; i++) {
		struct sks_binding *binding = sks_binding_find(space, service, &targets[i], true);

		if (binding && binding->source == SKS_FROM_CTL)
			continue;
		/* What only the server's spec has would go with its next spec. */
		if (binding)
			sks_store_kill_binding(space, binding);
		take_over(asked, space, service, &targets[i]);
		err = sks_binding_add(space, service, &targets[i], SKS_FROM_CTL, &asked->verdict);
	}
	return err;
}

static int finish(struct sks_asked *asked, struct sks_space *space, struct sks_service *service)
{
	struct sks_change change = {
		.spaces = asked->spaces,
		.space = space,
		.peer = &asked->peer,
		.netns = asked->netns,
		.service = service,
		.fd = -1,
		.verdict = &asked->verdict,
	};

	return sks_change_finish(&change);
}

/* Until its server comes, a label refuses at the addresses that it was given. */
static int stand_in(struct sks_asked *asked, struct sks_space *space,
		    const struct sks_service *service, const struct sks_target *targets, size_t n)
{
	int err = 0;

	for (size_t i = 0; !err && i < n; i++) {
		if (targets[i].where != SKS_WHERE_LISTENER)
			err = sks_dest_stand_in(space, service,
						targets[i].proto == IPPROTO_UDP ? SKS_UDP
										: SKS_TCP);
	}
	if (err)
		return sks_refuse(&asked->verdict, err,
				  "this namespace has no room for more listeners (%u)",
				  SKS_MAX_DESTS - 1);
	return 0;
}

static int try_bind(struct sks_asked *asked, struct sks_space *space,
		    const struct sks_target *targets, size_t n)
{
	struct sks_service *service =
		sks_service_find(space, asked->peer.uid, asked->req->label, NULL);
	int err;

	if (!service)
		service = sks_service_add(space, &asked->peer, asked->req->label);
	if (!service)
		return sks_refuse(&asked->verdict, -ENOSPC,
				  "this namespace has no room for more services (%u)",
				  SKS_MAX_SERVICES);
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
	    sks_policy_targets(&asked->peer, asked->netns, targets, n, &asked->verdict))
		return;
	err = sks_spaces_get(asked->spaces, asked->netns, asked->netns_ino, &space);
	if (err) {
		(void)sks_refuse(&asked->verdict, err, "cannot set up this namespace: %s",
				 strerror(-err));
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
	for (uint32_t i = 0; i < space->n_bindings; i++) {
		const struct sks_binding *binding = &space->maps.bindings[i];

		if (sks_in_next(space, binding) && binding->source != SKS_LEFT_OUT &&
		    binding->service == sks_service_number(space, service))
			return false;
	}
	return !sks_service_sockets(space, service);
}

/* All of them: the server's spec and sksteerctl may both have brought it. */
static int remove_targets(struct sks_asked *asked, struct sks_space *space,
			  const struct sks_service *service, const struct sks_target *targets,
			  size_t n)
{
	char text[SKS_TARGET_STRLEN];

	for (size_t i = 0; i < n; i++) {
		struct sks_binding *binding = sks_binding_find(space, service, &targets[i], true);

		if (!binding)
			return sks_refuse(&asked->verdict, -ENOENT, "\"%s\" has no binding %s",
					  service->label, sks_target_format(&targets[i], text));
		for (; binding; binding = sks_binding_find(space, service, &targets[i], true))
			sks_store_kill_binding(space, binding);
	}
	return 0;
}

void sks_ask_unbind(struct sks_asked *asked)
{
	const struct sks_target *targets;
	struct sks_service *service = NULL;
	struct sks_space *space;
	size_t n;

	if (parse(asked, &targets, &n))
		return;
	space = sks_spaces_find(asked->spaces, asked->netns_ino);
	if (space) {
		sks_change_sweep(space, 0);
		service = sks_service_find(space, asked->peer.uid, asked->req->label, NULL);
	}
	if (!service) {
		(void)sks_refuse(&asked->verdict, -ENOENT, "no label \"%s\" of user %u here",
				 asked->req->label, asked->peer.uid);
		return;
	}
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

	if (!asked->peer.root) {
		(void)sks_refuse(&asked->verdict, -EPERM, "only root unloads");
		return;
	}
	if (!space) {
		(void)sks_refuse(&asked->verdict, -ENOENT, "nothing is loaded in this namespace");
		return;
	}
	sks_log(SKS_LOG_INFO, "net-%llu: unloaded by user %u", (unsigned long long)space->ino,
		asked->peer.uid);
	sks_spaces_remove(asked->spaces, space);
}
