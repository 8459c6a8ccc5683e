/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns text without stdio: what the preload library's log and the grammar's errors are made with. */
#include "text.h"

#include <errno.h>
#include <stdbool.h>

void sks_text_init(struct sks_text *text, char *buf, size_t size)
{
	*text = (struct sks_text){ .buf = buf, .size = size };
	buf[0] = '\0';
}

void sks_text_char(struct sks_text *text, char c)
{
	if (text->pos + 1 >= text->size)
		return;
	text->buf[text->pos++] = c;
	text->buf[text->pos] = '\0';
}

void sks_text_str(struct sks_text *text, const char *s)
{
	while (*s)
		sks_text_char(text, *s++);
}

void sks_text_strn(struct sks_text *text, const char *s, size_t n)
{
	for (size_t i = 0; i < n && s[i]; i++)
		sks_text_char(text, s[i]);
}

static void put_digits(struct sks_text *text, uint64_t value, unsigned int base)
{
	char digits[20]; /* of UINT64_MAX in base 10 */
	size_t n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (n)
		sks_text_char(text, digits[--n]);
}

void sks_text_uint(struct sks_text *text, uint64_t value)
{
	put_digits(text, value, 10);
}

void sks_text_int(struct sks_text *text, int64_t value)
{
	if (value < 0)
		sks_text_char(text, '-');
	/* Negated as unsigned: INT64_MIN has no positive counterpart. */
	put_digits(text, value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
}

void sks_text_hex(struct sks_text *text, uint64_t value)
{
	put_digits(text, value, 16);
}

int sks_uint_parse(const char *s, size_t len, uint32_t max, uint32_t *ret_value)
{
	uint64_t value = 0;
	bool too_big = false;

	if (len == 0 || (len > 1 && s[0] == '0'))
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -EINVAL;
		/* Read on when it is too big: "99999x" is no number rather than a large one. */
		if (!too_big)
			value = value * 10 + (uint64_t)(s[i] - '0');
		too_big = value > max;
	}
	if (too_big)
		return -ERANGE;
	*ret_value = (uint32_t)value;
	return 0;
}
