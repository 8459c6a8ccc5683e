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

#include "ranges.h"
#include "resolve.h"
#include "store.h"
#include "verdict.h"

/* Who is there to be refused. */
enum sks_judged { SKS_JUDGED_NOBODY, SKS_JUDGED_USER, SKS_JUDGED_ROOT };

/*
 * Writes those ports (by protocol; the sets are taken over) of the table of the next state, and the
 * rules that they need beside those that the current table uses. routes: all that touch them;
 * pieces: the same without what is left out. What a rule can't hold of an interface's prefixes is
 * refused to a user, and not steered where nobody is there; root does not have to step back for
 * other users' ones. -ENOSPC with a text: too many rules or
 * prefixes; -ENOMEM. Also after a failure the outcome is to be discarded.
 */
int sks_compile(struct sks_space *space, struct sks_ranges ranges[2],
		const struct sks_routes *routes, const struct sks_routes *pieces,
		enum sks_judged judged, struct sks_verdict *verdict);
/* After sks_store_commit: what only the old table used is free. */
void sks_compile_publish(struct sks_space *space);
/* Instead of a commit; does nothing where nothing was compiled. */
void sks_compile_discard(struct sks_space *space);

#endif
