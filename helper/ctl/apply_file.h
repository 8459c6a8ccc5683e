/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the file of `sksteerctl apply`: what it lists, and what is said of one that is wrong. */
#ifndef SKSTEER_CTL_APPLY_FILE_H
#define SKSTEER_CTL_APPLY_FILE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Reads the file ("-": standard input) and writes what it lists as helper/apply_text.h has it, into
 * memory that the caller frees. 0, or -errno after having said what is wrong, and where. Where no
 * service is listed that is an error, too, unless it may be empty.
 */
int sks_apply_file_read(const char *path, bool may_be_empty, char **ret_text, size_t *ret_len);

#endif
