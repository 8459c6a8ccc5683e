// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the answer to a request: an errno and the one line that a person reads. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "verdict.h"

int sks_refuse(struct sks_verdict *verdict, int err, const char *format, ...)
{
	va_list args;

	verdict->err = err;
	va_start(args, format);
	(void)vsnprintf(verdict->text, sizeof(verdict->text), format, args);
	va_end(args);
	return err;
}

void sks_remark(struct sks_verdict *verdict, const char *format, ...)
{
	size_t len = strlen(verdict->text);
	va_list args;

	if (len && len + 2 < sizeof(verdict->text)) {
		memcpy(verdict->text + len, "; ", 3);
		len += 2;
	}
	va_start(args, format);
	(void)vsnprintf(verdict->text + len, sizeof(verdict->text) - len, format, args);
	va_end(args);
}
