// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the answer to a request: an errno and the one line that a person reads. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bpf.h"
#include "space.h"
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

int sks_refuse_room(struct sks_verdict *verdict, int err, const char *what, unsigned int max)
{
	const char *why = sks_bpf_why();

	if (err == -ENOSPC)
		return sks_refuse(verdict, err, "this namespace has no room for more %s (%u)", what,
				  max);
	return sks_refuse(verdict, err, "the kernel has no room for more %s: %s%s%s", what,
			  strerror(-err), *why ? ": " : "", why);
}

int sks_refuse_setup(struct sks_verdict *verdict, int err)
{
	const char *why = sks_bpf_why();

	if (err == -EDQUOT)
		return sks_refuse(verdict, err,
				  "more than %u network namespaces of the user who made this one",
				  SKS_SPACES_A_USER);
	return sks_refuse(verdict, err, "cannot set up this namespace: %s%s%s", strerror(-err),
			  *why ? ": " : "", why);
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
