/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns one class of ports: its record in the helper's memory, and its rule in the maps. */
#ifndef SKSTEER_CLASS_H
#define SKSTEER_CLASS_H

#include "classes.h"

struct sks_class {
	struct sks_class *next;		/* of the same bucket */
	struct sks_class *next_touched; /* where it may have become unused, or is new */
	uint64_t hash;
	uint32_t rule; /* index: number * 2 + protocol */
	uint32_t uses; /* by the next table */
	bool star;     /* the rule of all ports applies as well */
	bool touched;
	bool in_trie; /* some of its entries are there */
	size_t n;
	struct sks_entry entries[];
};

struct sks_classes {
	struct sks_class *by_rule[2 * SKS_MAX_RULES];
	struct sks_class **buckets;
	size_t n_buckets, n;
	struct sks_class *touched;
};

/* The class with these entries and the wanted one's star, n, and protocol (of rule), or NULL. */
struct sks_class *sks_class_find(const struct sks_classes *classes, const struct sks_class *wanted,
				 const struct sks_entry *entries);
/* A new one, with rule, star and n of init. NULL: out of memory. */
struct sks_class *sks_class_add(struct sks_classes *classes, const struct sks_class *init,
				const struct sks_entry *entries);
void sks_class_forget(struct sks_classes *classes, struct sks_class *class);
void sks_class_touch(struct sks_classes *classes, struct sks_class *class);

/* Fills its rule and the trie. -E2BIG: the trie can't hold it; or why the trie is full. */
int sks_class_write(struct sks_space *space, struct sks_class *class);
/* Takes its entries out of the trie. */
void sks_class_erase(struct sks_space *space, const struct sks_class *class);

#endif
