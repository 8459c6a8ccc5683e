/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the reading of a bindings file as JSON, without what JSON parsers let pass. */
#ifndef SKSTEER_CTL_APPLY_JSON_H
#define SKSTEER_CTL_APPLY_JSON_H

#include <json-c/json.h>
#include <stddef.h>

/* Says what is wrong with the file of that name. Returns -EINVAL. */
__attribute__((format(printf, 2, 3))) int sks_apply_complain(const char *name, const char *format,
							     ...);

/*
 * The file at path ("-": standard input), which the caller puts. 0, or -EINVAL after having said
 * what is wrong, and in which line.
 */
int sks_apply_json_read(const char *name, const char *path, struct json_object **ret_file);

/*
 * Of a text that is JSON: is each key of an object one that belongs there, and there once? The
 * parser would take the last of several for all, and single quotes for double ones. 0, or -EINVAL
 * with a text that begins with the line.
 */
#define SKS_APPLY_WHYLEN 160
int sks_apply_keys_check(const char *text, size_t len, char ret_why[SKS_APPLY_WHYLEN]);

/* Its printable characters in quotes, and of long ones the beginning. Returns buf. */
#define SKS_QUOTELEN 68
char *sks_apply_quote(const char *s, size_t len, char buf[SKS_QUOTELEN]);

#endif
