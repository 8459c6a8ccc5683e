/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns classes of ports and the rules that the dispatcher has for them. */
#ifndef SKSTEER_CLASSES_H
#define SKSTEER_CLASSES_H

#include <stddef.h>

#include "store.h"
#include "verdict.h"

/* Where a prefix leads. No padding: lists of hops are compared as bytes. */
struct sks_hop {
	struct sks_prefix prefix;
	uint16_t dest;
};
_Static_assert(sizeof(struct sks_hop) == 20, "no padding");

/* The classes of one table. NULL: out of memory. */
struct sks_classes *sks_classes_new(void);

/*
 * What a helper that died before its commit put into the trie goes, so that a number that it took
 * is clean when it is taken again. 0 or -errno.
 */
int sks_classes_recover(struct sks_space *space);

/*
 * The table's value for ports of proto with these n hops, the longest prefix first: 0, a
 * destination, or a rule, made if no equal one is there. -ENOMEM, or -ENOSPC with a text.
 */
int sks_class_value(struct sks_space *space, struct sks_classes *classes, uint32_t proto,
		    const struct sks_hop *hops, size_t n, struct sks_verdict *verdict);

/* After sks_store_commit: these are the current ones; what only the old ones used is freed. */
void sks_classes_publish(struct sks_space *space, struct sks_classes *classes);
/* Instead of a commit: takes back what was put into the trie. NULL is fine. */
void sks_classes_discard(struct sks_space *space, struct sks_classes *classes);
void sks_classes_free(struct sks_classes *classes);

#endif
