// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns bindings as targets of the grammar: from a spec into records and back. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "binding.h"
#include "diag.h"
#include "finder.h"
#include "resolve.h"

int sks_targets_parse(const char *spec, size_t len, const struct sks_target **ret_targets,
		      size_t *ret_n, struct sks_verdict *verdict)
{
	static struct sks_target targets[SKS_SPEC_TARGETS];
	struct sks_spec_error error;
	size_t n = 0;
	int err = len ? sks_spec_parse(spec, len, targets, SKS_SPEC_TARGETS, &n, &error) : 0;

	if (err)
		return sks_refuse(verdict, err, "%s", error.text);
	*ret_targets = targets;
	*ret_n = n;
	return 0;
}

int sks_binding_add(struct sks_space *space, const struct sks_service *service,
		    const struct sks_target *target, enum sks_source source, uint32_t spec,
		    struct sks_verdict *verdict)
{
	struct sks_binding *binding;
	int err = sks_store_add_binding(space, source, &binding);

	if (err)
		return sks_refuse_room(verdict, err, "bindings", SKS_MAX_BINDINGS);
	binding->service = sks_service_number(space, service);
	binding->first = target->first;
	binding->last = target->last;
	binding->listener_port = target->listener_port;
	binding->proto = target->proto == IPPROTO_UDP ? SKS_UDP : SKS_TCP;
	binding->where = target->where;
	binding->all = target->all;
	binding->spec = spec;
	binding->family = target->where_prefix.family;
	binding->len = target->where_prefix.len;
	memcpy(binding->addr, target->where_prefix.addr, sizeof(binding->addr));
	binding->listener_family = target->listener_addr.family;
	binding->listener_len = target->listener_addr.len;
	memcpy(binding->listener_addr, target->listener_addr.addr, sizeof(binding->listener_addr));
	return 0;
}

struct sks_target sks_binding_target(const struct sks_binding *binding)
{
	struct sks_target target = {
		.where_prefix = sks_binding_prefix(binding),
		.listener_port = binding->listener_port,
		.first = binding->first,
		.last = binding->last,
		.proto = binding->proto == SKS_UDP ? IPPROTO_UDP : IPPROTO_TCP,
		.where = binding->where,
		.all = binding->all,
	};

	target.listener_addr.family = binding->listener_family;
	target.listener_addr.len = binding->listener_len;
	memcpy(target.listener_addr.addr, binding->listener_addr,
	       sizeof(target.listener_addr.addr));
	return target;
}

static int add_match(struct sks_matches *matches, const struct sks_match *match)
{
	if (matches->n == matches->room) {
		size_t room = matches->room ? 2 * matches->room : 64;
		struct sks_match *more = reallocarray(matches->list, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		matches->list = more;
		matches->room = room;
	}
	matches->list[matches->n++] = *match;
	return 0;
}

static int by_target(const void *pa, const void *pb)
{
	const struct sks_match *a = pa, *b = pb;

	return (a->target > b->target) - (a->target < b->target)
		       ?: a->service - b->service
		       ?: (a->binding > b->binding) - (a->binding < b->binding);
}

int sks_targets_match(const struct sks_space *space, uint32_t uid, const struct sks_target *targets,
		      size_t n, struct sks_matches *ret_matches)
{
	struct sks_finder *finder = sks_finder_new(n);
	struct sks_matches matches = {};
	uint32_t next = sks_next_epoch(space);
	int err = finder ? 0 : -ENOMEM;

	for (size_t i = 0; finder && i < n; i++)
		(void)sks_finder_add(finder, &targets[i]);
	for (uint32_t i = 0; !err && i < space->n_bindings; i++) {
		const struct sks_binding *binding = &space->maps.bindings[i];
		const struct sks_service *service = &space->maps.services[binding->service];
		struct sks_match match = { .binding = i, .service = binding->service };

		if (!sks_binding_is_asked(binding) || !sks_binding_counts(space, binding, next))
			continue;
		match.target = (uint32_t)sks_finder_find(finder, binding);
		if (match.target-- && service->uid == uid && service->named &&
		    sks_alive(service->born, service->died, next))
			err = add_match(&matches, &match);
	}
	sks_finder_free(finder);
	if (err) {
		free(matches.list);
		return err;
	}
	if (matches.n)
		qsort(matches.list, matches.n, sizeof(*matches.list), by_target);
	*ret_matches = matches;
	return 0;
}

/* is_local: as sks_prefix_is_local(). True: there was something to say. */
static bool remark_prefix(const struct sks_prefix *prefix, int is_local,
			  struct sks_verdict *verdict)
{
	char text[SKS_PREFIX_STRLEN], *addr = sks_prefix_format(prefix, text);
	size_t len = strlen(addr);

	if (*addr == '[') { /* the grammar's brackets are not ip's */
		addr[len - 1] = '\0';
		addr++;
	}
	if (is_local == SKS_PREFIX_BROADCAST)
		sks_remark(verdict,
			   "%s is a broadcast address here, and broadcast is never steered", addr);
	else if (!is_local)
		sks_remark(verdict, "%s is not local to this host: ip route add local %s dev lo",
			   addr, addr);
	return is_local == SKS_PREFIX_BROADCAST || !is_local;
}

void sks_targets_remark(int netns, const struct sks_target *targets, size_t n,
			struct sks_verdict *verdict)
{
	unsigned int said = 0;

	for (size_t i = 0; i < n && said < 3; i++) {
		const struct sks_prefix *prefix = &targets[i].where_prefix;

		if (targets[i].where != SKS_WHERE_PREFIX || !prefix->len ||
		    (i && sks_prefix_equal(prefix, &targets[i - 1].where_prefix)))
			continue;
		said += remark_prefix(prefix, sks_prefix_is_local(netns, prefix), verdict);
	}
}
