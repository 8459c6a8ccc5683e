/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns text without stdio: bounded appending, and the one way a decimal number is read. */
#ifndef SKSTEER_TEXT_H
#define SKSTEER_TEXT_H

#include <stddef.h>
#include <stdint.h>

/*
 * A borrowed buffer and how much of it is written. It is NUL-terminated after every call, and what
 * no longer fits is cut off. No allocation, lock, locale or errno: async-signal-safe.
 */
struct sks_text {
	char *buf;
	size_t size; /* at least 1 */
	size_t pos;  /* characters written, without the NUL */
};

/* Empties the text. */
void sks_text_init(struct sks_text *text, char *buf, size_t size);
void sks_text_char(struct sks_text *text, char c);
void sks_text_str(struct sks_text *text, const char *s);
/* At most n bytes, which need no NUL; a NUL among them ends the text as it would in a string. */
void sks_text_strn(struct sks_text *text, const char *s, size_t n);
void sks_text_uint(struct sks_text *text, uint64_t value);
void sks_text_int(struct sks_text *text, int64_t value);
/* Lower-case hexadecimal without "0x" or leading zeros. */
void sks_text_hex(struct sks_text *text, uint64_t value);

/*
 * Reads all len bytes as a decimal number: digits alone, no sign, no leading zero.
 * 0; -EINVAL: not such a number; -ERANGE: one above max.
 */
int sks_uint_parse(const char *s, size_t len, uint32_t max, uint32_t *ret_value);

#endif
