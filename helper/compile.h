/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns precedence: turns routes into the port table and the rules that the dispatcher reads.
 *
 * The longer prefix wins; at equal length the narrower range ("*" is the widest), then the one
 * that begins lower, then the older. Ports for which the same prefixes win form a class, and a
 * class is one rule; a class that is one destination on any address needs none.
 */
#ifndef SKSTEER_COMPILE_H
#define SKSTEER_COMPILE_H

#include "classes.h"
#include "resolve.h"
#include "store.h"

/* < 0 when a wins against b where both apply; 0 when they cannot be told apart. */
int sks_route_precedence(const struct sks_route *a, const struct sks_route *b);

/*
 * Writes the table of the next state, and the rules that it needs beside those that the current
 * table uses. *ret_classes is to be published or discarded (helper/classes.h). -ENOSPC with a text:
 * too many rules or prefixes; -ENOMEM.
 */
int sks_compile(struct sks_space *space, const struct sks_routes *pieces,
		struct sks_classes **ret_classes, struct sks_verdict *verdict);

#endif
