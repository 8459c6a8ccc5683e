/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the search for a target among many that may be the same as a binding, or as each other. */
#ifndef SKSTEER_FINDER_H
#define SKSTEER_FINDER_H

#include "../common/spec.h"
#include "store.h"

struct sks_finder;

/* With room for n targets, of which it has none yet; NULL: no memory. */
struct sks_finder *sks_finder_new(size_t n);
void sks_finder_free(struct sks_finder *finder);

/*
 * The next target. 0, or the number + 1 of one that is the same (sks_target_equal()): then it gets
 * no number, and is not added.
 */
size_t sks_finder_add(struct sks_finder *finder, const struct sks_target *target);
/* The number + 1 of the target that the binding is the same as, but perhaps for its listener, or 0.
 */
size_t sks_finder_find(const struct sks_finder *finder, const struct sks_binding *binding);

#endif
