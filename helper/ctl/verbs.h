/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what a verb of sksteerctl is. */
#ifndef SKSTEER_CTL_VERBS_H
#define SKSTEER_CTL_VERBS_H

#include "ctl.h"

struct sks_verb {
	const char *name;
	int (*run)(const struct sks_ctl *ctl);
	int min, max; /* operands */
	const char *needs;
	const char *help;
};

#define SKS_VERB_NAMES                                                                         \
	"status, lookup, bind, unbind, apply, upgrade, weight, register, unregister, unload, " \
	"metrics, watch, policy"

/* NULL: no such verb. */
const struct sks_verb *sks_verb_find(const char *name);

#endif
