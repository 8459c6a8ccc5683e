/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how a unit test says what it found, as TAP, and that it can't find out. */
#ifndef SKSTEER_TAP_H
#define SKSTEER_TAP_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For what the test itself needs: without it nothing can be said about the code under test. */
static inline void need(bool ok, const char *what)
{
	if (!ok) {
		printf("Bail out! %s: %s\n", what, strerror(errno));
		exit(1);
	}
}

static inline void need_done(int err, const char *what)
{
	errno = -err;
	need(err == 0, what);
}

static unsigned int tap_checks, tap_failures;

static inline __attribute__((format(printf, 2, 3))) bool tap_check(bool ok, const char *format, ...)
{
	va_list args;

	printf("%sok %u - ", ok ? "" : "not ", ++tap_checks);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	tap_failures += !ok;
	return ok;
}

/* The plan, and main()'s value. */
static inline int tap_done(void)
{
	printf("1..%u\n", tap_checks);
	return tap_failures != 0;
}

#endif
