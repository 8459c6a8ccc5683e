/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns where sksteer-run finds what belongs to it: next to itself, else where it was installed. */
#ifndef SKSTEER_RUN_BESIDE_H
#define SKSTEER_RUN_BESIDE_H

#include <stddef.h>

/*
 * The absolute path of a file that access(2) grants mode on: in the directory of the running
 * executable, else in fallback_dir. 0, -ENOENT, or -ENAMETOOLONG.
 */
int sks_run_beside(const char *name, const char *fallback_dir, int mode, char *ret_path,
		   size_t size);

#endif
