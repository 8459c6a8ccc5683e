// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns bindings as targets of the grammar: from a spec into records and back. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "binding.h"
#include "diag.h"
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
		    const struct sks_target *target, enum sks_source source,
		    struct sks_verdict *verdict)
{
	struct sks_binding *binding = sks_store_add_binding(space);

	if (!binding)
		return sks_refuse(verdict, -ENOSPC,
				  "this namespace has no room for more bindings (%u)",
				  SKS_MAX_BINDINGS);
	binding->service = sks_service_number(space, service);
	binding->first = target->first;
	binding->last = target->last;
	binding->listener_port = target->listener_port;
	binding->source = (uint8_t)source;
	binding->proto = target->proto == IPPROTO_UDP ? SKS_UDP : SKS_TCP;
	binding->where = target->where;
	binding->all = target->all;
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

struct sks_binding *sks_binding_find(struct sks_space *space, const struct sks_service *service,
				     const struct sks_target *target, bool any_listener)
{
	for (uint32_t i = 0; i < space->n_bindings; i++) {
		struct sks_binding *binding = &space->maps.bindings[i];
		struct sks_target has = sks_binding_target(binding);

		if (!sks_in_next(space, binding) || binding->source == SKS_LEFT_OUT ||
		    binding->service != sks_service_number(space, service) ||
		    !sks_target_equal(&has, target))
			continue;
		if (any_listener || (has.listener_port == target->listener_port &&
				     sks_prefix_equal(&has.listener_addr, &target->listener_addr)))
			return binding;
	}
	return NULL;
}

static void remark_prefix(const struct sks_prefix *prefix, struct sks_verdict *verdict)
{
	char text[SKS_PREFIX_STRLEN], *addr = sks_prefix_format(prefix, text);
	size_t len = strlen(addr);

	if (*addr == '[') { /* the grammar's brackets are not ip's */
		addr[len - 1] = '\0';
		addr++;
	}
	sks_remark(verdict, "%s is not local to this host: ip route add local %s dev lo", addr,
		   addr);
}

void sks_targets_remark(int netns, const struct sks_target *targets, size_t n,
			struct sks_verdict *verdict)
{
	unsigned int said = 0;

	for (size_t i = 0; i < n && said < 3; i++) {
		const struct sks_prefix *prefix = &targets[i].where_prefix;

		if (targets[i].where != SKS_WHERE_PREFIX || !prefix->len ||
		    (i && sks_prefix_equal(prefix, &targets[i - 1].where_prefix)) ||
		    sks_prefix_is_local(netns, prefix) != 0)
			continue;
		remark_prefix(prefix, verdict);
		said++;
	}
}
