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

/* One item of a user's "ports". Without a listener; where SKS_WHERE_LISTENER means every address. */
struct sks_grant {
	uint32_t uid;
	unsigned int line; /* that it stands in */
	struct sks_target target;
};

struct sks_policy_file {
	const char *path;	  /* borrowed */
	struct sks_grant *grants; /* malloc'd; sks_policy_file_free() */
	size_t n;
};

/*
 * Reads the whole file; path is kept. It has to be root's, and no other's to write. 0; -ENOENT:
 * there is none; -EACCES: it is not safe; -EINVAL: something in it is wrong; or why it cannot be
 * read. Then ret_why is one line that names the file, the line and the key, and quotes what is
 * wrong.
 */
int sks_policy_file_read(const char *path, struct sks_policy_file *ret_file,
			 char ret_why[SKS_POLICY_WHY_SIZE]);
void sks_policy_file_free(struct sks_policy_file *file);

/*
 * The lowest of the ports first to last (not 0) that the file does not grant the user for proto
 * (IPPROTO_TCP or IPPROTO_UDP) at every address of place; 0: it grants them all.
 */
uint16_t sks_policy_file_lacks(const struct sks_policy_file *file, uint32_t uid, uint8_t proto,
			       const struct sks_prefix *place, uint16_t first, uint16_t last);

#endif
