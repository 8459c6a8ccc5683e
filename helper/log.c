// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the helper's log: lines on stderr with the syslog priority that systemd reads. */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "log.h"

void sks_log(int priority, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* A person at a terminal does not want to see the priorities. */
	if (isatty(STDERR_FILENO))
		(void)fprintf(stderr, "sksteerd: %s\n", text);
	else
		(void)fprintf(stderr, "<%d>sksteerd: %s\n", priority, text);
}
