// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns what is made of the lines that libbpf and the verifier print: the one that tells most, for a
 * reply, and a few for the log.
 */
#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf_load.h"

#define LOGGED_MAX    8 /* lines of one load or growth */
#define VERIFIER_TAIL 4 /* lines of its log, of which the last one says what is wrong */

/* How much a line tells. */
enum rank { NOTHING, COMPLAINT, NO_MAP, REFUSAL };

static sks_bpf_log *logger;
static unsigned int logged;
static bool quiet;
static enum rank why_rank;
static char why[200];

static void keep(enum rank rank, const char *line, size_t len)
{
	if (rank <= why_rank)
		return;
	why_rank = rank;
	(void)snprintf(why, sizeof(why), "%.*s", (int)len, line);
}

static void tell(const char *line, size_t len)
{
	char text[256];

	if (!logger || quiet || logged >= LOGGED_MAX)
		return;
	logged++;
	(void)snprintf(text, sizeof(text), "%.*s", (int)len, line);
	logger(text);
}

static const char *next_line(const char *line)
{
	return line + strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n');
}

/* Where it has nothing to refuse: the load failed afterwards. */
static bool is_praise(const char *line)
{
	return !strncmp(line, "Func#", 5) || !strncmp(line, "Validating ", 11);
}

/* The verifier walks through the program, says what it refuses, and how much it has looked at. */
static void hear_verifier(const char *text)
{
	const char *tail[VERIFIER_TAIL] = {};
	unsigned int n = 0;

	for (const char *line = next_line(text); *line; line = next_line(line)) {
		if (!strncmp(line, "processed ", 10) || !strncmp(line, "-- END", 6))
			break;
		if (*line != '\n' && !is_praise(line))
			tail[n++ % VERIFIER_TAIL] = line;
	}
	for (unsigned int i = n < VERIFIER_TAIL ? 0 : n - VERIFIER_TAIL; i < n; i++)
		tell(tail[i % VERIFIER_TAIL], strcspn(tail[i % VERIFIER_TAIL], "\n"));
	if (n)
		keep(REFUSAL, tail[(n - 1) % VERIFIER_TAIL],
		     strcspn(tail[(n - 1) % VERIFIER_TAIL], "\n"));
}

static void hear(const char *text)
{
	size_t len;

	if (strstr(text, "BEGIN PROG LOAD LOG")) {
		hear_verifier(text);
		return;
	}
	if (!strncmp(text, "libbpf: ", 8))
		text += 8;
	len = strcspn(text, "\n");
	tell(text, len);
	keep(strstr(text, "failed to create") ? NO_MAP : COMPLAINT, text, len);
}

static int print(enum libbpf_print_level level, const char *format, va_list args)
{
	char *text; /* a verifier's log has no bounds */

	if (level == LIBBPF_DEBUG || vasprintf(&text, format, args) < 0)
		return 0;
	hear(text);
	free(text);
	return 0;
}

void sks_bpf_set_log(sks_bpf_log *log)
{
	logger = log;
	(void)libbpf_set_print(print);
}

void sks_bpf_forget(void)
{
	logged = 0;
	why_rank = NOTHING;
	*why = '\0';
}

void sks_bpf_quiet(bool on)
{
	quiet = on;
}

void sks_bpf_heard(const char *line)
{
	if (*line)
		keep(REFUSAL, line, strlen(line));
}

int sks_bpf_explain(int err, const char *what)
{
	char text[256];

	if (why_rank)
		return err;
	(void)snprintf(text, sizeof(text), "%s: %s", what, strerror(-err));
	tell(text, strlen(text));
	keep(COMPLAINT, what, strlen(what));
	return err;
}

const char *sks_bpf_why(void)
{
	return why;
}
