/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns classes of ports and the rules that the dispatcher has for them. A class is used by the
 * ports of the next table that have its value; when no port has it any more, its rule is free.
 */
#ifndef SKSTEER_CLASSES_H
#define SKSTEER_CLASSES_H

#include <stdbool.h>
#include <stddef.h>

#include "store.h"
#include "verdict.h"

/* Where a prefix leads. No padding: lists of entries are compared as bytes. */
struct sks_entry {
	struct sks_prefix prefix;
	uint16_t dest;
};
_Static_assert(sizeof(struct sks_entry) == 20, "no padding");

/* The order of a class's entries: longer prefixes first. */
int sks_entry_compare(const struct sks_prefix *a, const struct sks_prefix *b);

/*
 * Learns the classes of the current table from the rules and the trie, and drops from the trie what
 * a helper left there that died before its commit, once it has read all. For a new namespace it
 * makes an empty set. 0, -EUCLEAN: some entry of the trie is no helper's; or -errno.
 */
int sks_classes_recover(struct sks_space *space);
void sks_classes_free(struct sks_classes *classes);

/*
 * The table's value for ports of proto with these n entries (in their order): 0, a destination, or
 * a rule, made if no equal one is there. star: the rule of all ports applies as well. -ENOMEM, or
 * -ENOSPC with a text.
 */
int sks_class_value(struct sks_space *space, uint32_t proto, const struct sks_entry *entries,
		    size_t n, bool star, struct sks_verdict *verdict);
/* The same, always as a rule: its index + 1, as struct sks_head has it; 0 for no entries. */
int sks_class_star(struct sks_space *space, uint32_t proto, const struct sks_entry *entries,
		   size_t n, struct sks_verdict *verdict);

/* So many more (or, negative, fewer) ports of the next table have this value. */
void sks_class_use(struct sks_space *space, uint32_t proto, uint16_t value, int ports);
/* The same for the rule of all ports, in the form of sks_class_star(). */
void sks_class_use_star(struct sks_space *space, uint32_t star, int uses);

/*
 * Frees the rules of classes that nothing uses any more. published: programs may still follow
 * them.
 */
void sks_classes_settle(struct sks_space *space, bool published);

#endif
