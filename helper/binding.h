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

/*
 * Adds the target to the service's bindings of the next state; spec: where a spec brings it, the
 * epoch that sks_owner.spec will say when it counts, else 0. An errno with a text.
 */
int sks_binding_add(struct sks_space *space, const struct sks_service *service,
		    const struct sks_target *target, enum sks_source source, uint32_t spec,
		    struct sks_verdict *verdict);
struct sks_target sks_binding_target(const struct sks_binding *binding);

/* A binding that is the same as a target, but perhaps for its listener. */
struct sks_match {
	uint32_t target;  /* which of them */
	uint32_t binding; /* number of its record */
	uint16_t service;
};

struct sks_matches {
	struct sks_match *list; /* malloc'd */
	size_t n, room;
};

/*
 * All such bindings that labels of uid have in the next state, found in one pass: by target, then
 * by service, then by record. No two of the targets (at most SKS_SPEC_TARGETS) are the same.
 * -ENOMEM.
 */
int sks_targets_match(const struct sks_space *space, uint32_t uid, const struct sks_target *targets,
		      size_t n, struct sks_matches *ret_matches);

/* Says of every prefix among the targets that is not local which route would make it so. */
void sks_targets_remark(int netns, const struct sks_target *targets, size_t n,
			struct sks_verdict *verdict);

#endif
