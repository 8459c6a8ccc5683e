/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the value of a policy key may be, and what is said of any other. */
#ifndef SKSTEER_POLICY_VALUE_H
#define SKSTEER_POLICY_VALUE_H

#include "policy_file.h"

#define SKS_POLICY_QUOTED 60 /* characters of what is wrong that a message repeats */

/*
 * Reads one line's value of a key into the last section of the file; again: a line that continues
 * the key. 0, -ENOMEM, or -EINVAL with why: what is wrong, quoted, without file, line and key.
 */
int sks_policy_value_read(struct sks_policy_file *file, enum sks_policy_key key, unsigned int line,
			  const char *value, bool again, char ret_why[SKS_POLICY_WHY_SIZE]);

/* Appends to one of the file's arrays, of n elements, of which there is room for a power of two. */
void *sks_policy_append(void *array, size_t *n, size_t size);

#endif
