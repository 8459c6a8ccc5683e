/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns texts in files in memory that nobody can change: how they are made, told, and read. */
#ifndef SKSTEER_SEALED_H
#define SKSTEER_SEALED_H

#include <stdbool.h>
#include <stddef.h>

/* A CLOEXEC descriptor that the caller owns, or -errno. name: for people who look into /proc. */
int sks_sealed_make(const char *name, const char *text, size_t len);

/*
 * Is it a file in memory that can be neither written to nor resized any more? Asking runs nobody's
 * code, of whatever kind the descriptor is, and if it is one then fstat(2), pread(2) and close(2)
 * don't either.
 */
bool sks_sealed_is(int fd);

/*
 * All of it, and a NUL after it, in memory that the caller frees. 0, -EINVAL: it is no such file;
 * -EFBIG: it has more than max bytes; or -errno.
 */
int sks_sealed_read(int fd, size_t max, char **ret_text, size_t *ret_len);

#endif
