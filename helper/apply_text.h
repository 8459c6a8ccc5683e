/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the text of SKS_OP_APPLY: lines, each of which ends with a newline. "@LABEL" begins a
 * service; every other line is a spec without listeners, whose targets that service is to have.
 */
#ifndef SKSTEER_APPLY_TEXT_H
#define SKSTEER_APPLY_TEXT_H

#include "../common/spec.h"
#include "finder.h"
#include "verdict.h"

#define SKS_APPLY_MAX  (64u << 20) /* bytes: a million targets, as long as targets get */
#define SKS_APPLY_LINE 66u	   /* bytes that a label or a target takes at most */
#define SKS_NO_SERVICE UINT16_MAX

struct sks_listed_label {
	const char *name;
	/* For the caller: */
	uint16_t service; /* SKS_NO_SERVICE */
	bool grows;	  /* false */
};

struct sks_listed_target {
	struct sks_target target;
	uint32_t label; /* in labels */
};

/* What is listed: each label once, and each target once and for one label. */
struct sks_listed {
	struct sks_listed_label *labels; /* by name */
	struct sks_listed_target *targets;
	size_t n_labels, n_targets;
	struct sks_finder *finder; /* of these targets */
};

/*
 * Takes text, of len bytes and a NUL, apart: what is listed points into it. 0, or an errno with a
 * text: -EINVAL, -E2BIG (more than a namespace has room for), -ENOMEM.
 */
int sks_apply_parse(char *text, size_t len, struct sks_listed *ret_listed,
		    struct sks_verdict *verdict);
void sks_listed_free(struct sks_listed *listed);

/* The label of that name, or NULL. */
struct sks_listed_label *sks_listed_find(const struct sks_listed *listed, const char *name);

#endif
