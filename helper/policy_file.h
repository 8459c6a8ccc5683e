/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the policy file: what it says, and why one is refused. It grants privileges. */
#ifndef SKSTEER_POLICY_FILE_H
#define SKSTEER_POLICY_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "../common/spec.h"

#define SKS_POLICY_PATH	     "/etc/sksteer/policy.conf"
#define SKS_POLICY_FILE_SIZE (1u << 20) /* bytes; a larger one is refused */
#define SKS_POLICY_WHY_SIZE  512

enum sks_policy_key {
	SKS_POLICY_PORTS,    /* items: targets without a listener */
	SKS_POLICY_PREFIXES, /* items: prefixes */
	SKS_POLICY_LABELS,   /* items: globs */
	SKS_POLICY_MAX_PORTS,
	SKS_POLICY_MAX_SOCKETS,
	SKS_POLICY_MAX_LABELS,
	SKS_POLICY_ANY, /* from here on: yes (1) or no (0) */
	SKS_POLICY_WIDE,
	SKS_POLICY_SHADOW,
	SKS_POLICY_SHARE,
	SKS_POLICY_KEYS,
};

enum sks_policy_of { SKS_POLICY_OF_USER, SKS_POLICY_OF_GROUP, SKS_POLICY_OF_ALL };

struct sks_policy_section {
	uint8_t of;			     /* enum sks_policy_of */
	uint32_t id;			     /* uid or gid; 0 in [default] */
	unsigned int lines[SKS_POLICY_KEYS]; /* where each key begins; 0: it is not there */
	uint32_t values[SKS_POLICY_KEYS];    /* of those that have no items */
};

struct sks_policy_item {
	size_t section;
	unsigned int line;
	uint8_t key; /* enum sks_policy_key */
	union {
		struct sks_target target; /* SKS_WHERE_LISTENER means every address */
		struct sks_prefix prefix;
		char glob[SKS_LABEL_MAX + 1];
	};
};

struct sks_policy_file {
	const char *path; /* borrowed */
	/* In the order of the file; malloc'd, see sks_policy_file_free(). */
	struct sks_policy_section *sections;
	struct sks_policy_item *items;
	size_t n_sections, n_items;
};

/*
 * Reads the whole file; path is kept. It has to be root's, and no other's to write, unless
 * ret_unsafe is given: that is why it is not, then, or NULL. 0; -ENOENT: there is none; -EACCES: it
 * is not safe; -EINVAL: something in it is wrong; or why it cannot be read. Then ret_why is one
 * line that names the file, the line and the key, and quotes what is wrong.
 */
int sks_policy_file_read(const char *path, struct sks_policy_file *ret_file,
			 const char **ret_unsafe, char ret_why[SKS_POLICY_WHY_SIZE]);
void sks_policy_file_free(struct sks_policy_file *file);

#endif
