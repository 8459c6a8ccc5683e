/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the question whether a preloaded library can reach a program at all. */
#ifndef SKSTEER_RUN_REACH_H
#define SKSTEER_RUN_REACH_H

#include <stddef.h>

/* The file that execvp(3) would run. 0, -ENOENT, -EACCES, or -ENAMETOOLONG. */
int sks_run_resolve(const char *command, char *ret_path, size_t size);

/*
 * Looks into the file at path, or, where it begins with "#!", into its interpreter. Returns NULL
 * when nothing speaks against a preload (an unreadable file included), else why it can't reach the
 * program, as the end of a sentence that begins with the program's name. ret_program gets that
 * name: path, or the interpreter's.
 */
const char *sks_run_unreachable(const char *path, char *ret_program, size_t size);

#endif
