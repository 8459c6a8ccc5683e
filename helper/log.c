// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the helper's log (see log.h). */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define LINE_SIZE 1024
#define WHILE_MS  10000
#define BURST	  8	     /* lines of a kind and user in a while */
#define N_KINDS	  64	     /* of which a while is under way */
#define N_SHARED  16	     /* more kinds than there are: for all users that find no room above */
#define ANYBODY	  UINT32_MAX /* no user can have this uid */

struct kind {
	const char *format; /* NULL: none */
	uint32_t uid;
	int priority;
	int64_t until; /* ms */
	unsigned int said, held;
	char last[256]; /* of those held back */
};

static struct kind kinds[N_KINDS + N_SHARED];
static unsigned int lost;

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/*
 * Whoever reads may have stopped to. O_NONBLOCK would be set for all who share the description; but
 * a pipe with any room at all takes a line as a whole.
 */
static bool put(const char *line, size_t len)
{
	struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (send(STDERR_FILENO, line, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len)
		return true;
	if (errno != ENOTSOCK)
		return false;
	return poll(&out, 1, 0) == 1 && out.revents & POLLOUT &&
	       write(STDERR_FILENO, line, len) == (ssize_t)len;
}

static bool put_line(int priority, const char *text)
{
	char line[LINE_SIZE + 32];
	int len;

	/* A person at a terminal does not want to see the priorities. */
	if (isatty(STDERR_FILENO))
		len = snprintf(line, sizeof(line), "sksteerd: %s", text);
	else
		len = snprintf(line, sizeof(line), "<%d>sksteerd: %s", priority, text);
	/* What strangers wrote is in there: no second line, nothing that a terminal obeys. */
	for (int i = 0; i < len; i++)
		line[i] = line[i] == '\n' ? ' ' : line[i] < ' ' || line[i] > '~' ? '?' : line[i];
	line[len] = '\n';
	return put(line, (size_t)len + 1);
}

static void write_log(int priority, const char *text)
{
	char said[64];

	if (lost) {
		(void)snprintf(said, sizeof(said), "%u lines of this log found no room", lost);
		if (put_line(SKS_LOG_WARNING, said))
			lost = 0;
	}
	lost += lost || !put_line(priority, text);
}

void sks_log(int priority, const char *format, ...)
{
	char text[LINE_SIZE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	write_log(priority, text);
}

static void settle(struct kind *kind)
{
	char text[sizeof(kind->last) + 64];

	if (kind->held) {
		(void)snprintf(text, sizeof(text), "%u more like this in %d s: %s", kind->held,
			       WHILE_MS / 1000, kind->last);
		write_log(kind->priority, text);
	}
	*kind = (struct kind){};
}

int sks_log_settle(void)
{
	int64_t now = now_ms(), next = INT64_MAX;

	for (struct kind *kind = kinds; kind < kinds + N_KINDS + N_SHARED; kind++) {
		if (kind->format && kind->until <= now)
			settle(kind);
		if (kind->held && kind->until < next)
			next = kind->until;
	}
	return next == INT64_MAX ? -1 : (int)(next - now);
}

static struct kind *find(size_t first, size_t end, int priority, const char *format, uint32_t uid)
{
	struct kind *free_one = NULL;

	for (size_t i = first; i < end; i++) {
		if (kinds[i].format == format && kinds[i].uid == uid &&
		    kinds[i].priority == priority)
			return &kinds[i];
		if (!free_one && !kinds[i].format)
			free_one = &kinds[i];
	}
	return free_one;
}

/* NULL: not even a shared one is left, and nothing holds the line back. */
static struct kind *kind_of(int priority, const char *format, uint32_t uid)
{
	struct kind *kind = find(0, N_KINDS, priority, format, uid);

	if (!kind) {
		uid = ANYBODY;
		kind = find(N_KINDS, N_KINDS + N_SHARED, priority, format, uid);
	}
	if (kind && !kind->format)
		*kind = (struct kind){ .format = format,
				       .uid = uid,
				       .priority = priority,
				       .until = now_ms() + WHILE_MS };
	return kind;
}

void sks_log_of(uint32_t uid, int priority, const char *format, ...)
{
	struct kind *kind;
	char text[LINE_SIZE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	(void)sks_log_settle();
	kind = kind_of(priority, format, uid);
	if (!kind || kind->said++ < BURST) {
		write_log(priority, text);
		return;
	}
	kind->held++;
	(void)snprintf(kind->last, sizeof(kind->last), "%.*s", (int)sizeof(kind->last) - 1, text);
}
