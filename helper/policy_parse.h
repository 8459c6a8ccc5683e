/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the reading of a policy file's text: sections, keys and values, and what is said of bad
 * ones. */
#ifndef SKSTEER_POLICY_PARSE_H
#define SKSTEER_POLICY_PARSE_H

#include "policy_file.h"

/* As the file spells it. */
const char *sks_policy_key_name(enum sks_policy_key key);

/*
 * Fills the sections and items of a file that has none yet; its path is what errors begin with.
 * text is NUL-terminated. Names are looked up in the system's user database. 0; or -EINVAL:
 * ret_why says it in one line of printable ASCII, and the file has none again.
 */
int sks_policy_parse(const char *text, struct sks_policy_file *file,
		     char ret_why[SKS_POLICY_WHY_SIZE]);

#endif
