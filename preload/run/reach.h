/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the question whether a preloaded library can reach a program at all. */
#ifndef SKSTEER_RUN_REACH_H
#define SKSTEER_RUN_REACH_H

#include <stddef.h>

/* The file that execvp(3) would run. 0, -ENOENT, -EACCES, or -ENAMETOOLONG. */
int sks_run_resolve(const char *command, char *ret_path, size_t size);

enum sks_reach {
	SKS_REACH_PRELOAD,    /* nothing speaks against a preload (an unreadable file included) */
	SKS_REACH_SUPERVISED, /* the program makes its system calls without our libc */
	SKS_REACH_SECURE, /* it gains rights when it is executed: ld.so ignores a preload there */
};

/*
 * Looks into the file at path, or, where it begins with "#!", into its interpreter, and that one's,
 * and the program that env(1) finds. ret_program gets the name of what was looked into last,
 * *ret_why what is the matter with it, as the end of a sentence that begins with that name.
 */
enum sks_reach sks_run_reach(const char *path, char *ret_program, size_t size,
			     const char **ret_why);

#endif
