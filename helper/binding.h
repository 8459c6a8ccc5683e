/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns bindings as targets of the grammar: from a spec into records and back. */
#ifndef SKSTEER_BINDING_H
#define SKSTEER_BINDING_H

#include "../common/spec.h"
#include "service.h"
#include "verdict.h"

/*
 * The targets of a spec, in memory that the next call overwrites. -EINVAL or -E2BIG with the
 * parser's text; an empty spec has none and is fine.
 */
int sks_targets_parse(const char *spec, size_t len, const struct sks_target **ret_targets,
		      size_t *ret_n, struct sks_verdict *verdict);

/* Adds the target to the service's bindings of the next state; -ENOSPC with a text. */
int sks_binding_add(struct sks_space *space, const struct sks_service *service,
		    const struct sks_target *target, enum sks_source source,
		    struct sks_verdict *verdict);
/* The service's binding of the next state with the same target (and the same listener, unless
 * any_listener). */
struct sks_binding *sks_binding_find(struct sks_space *space, const struct sks_service *service,
				     const struct sks_target *target, bool any_listener);
struct sks_target sks_binding_target(const struct sks_binding *binding);

/* Says of every prefix among the targets that is not local which route would make it so. */
void sks_targets_remark(int netns, const struct sks_target *targets, size_t n,
			struct sks_verdict *verdict);

#endif
