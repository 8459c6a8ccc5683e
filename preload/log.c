/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the library's voice: one line to stderr or to the file SKSTEER_LOG, in one write. */
#include "log.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "../common/raw.h"
#include "memory.h"

static bool stat_stderr(struct statx *ret_stat)
{
	/* statx(2): the one stat that has the same layout and number rules on every machine. */
	return sks_raw(SYS_statx, STDERR_FILENO, "", AT_EMPTY_PATH, STATX_INO, ret_stat) == 0;
}

void sks_log_note_stderr(struct sks_log *log)
{
	struct statx now;

	log->had_stderr = stat_stderr(&now);
	if (!log->had_stderr)
		return;
	log->dev_major = now.stx_dev_major;
	log->dev_minor = now.stx_dev_minor;
	log->rdev_major = now.stx_rdev_major;
	log->rdev_minor = now.stx_rdev_minor;
	log->ino = now.stx_ino;
}

/* A server that closes its stderr gets fd 2 anew for a client's connection or a data file. */
static bool stderr_is_the_same(const struct sks_log *log)
{
	struct statx now;

	return log->had_stderr && stat_stderr(&now) && now.stx_ino == log->ino &&
	       now.stx_dev_major == log->dev_major && now.stx_dev_minor == log->dev_minor &&
	       now.stx_rdev_major == log->rdev_major && now.stx_rdev_minor == log->rdev_minor;
}

bool sks_log_wants(const struct sks_log *log, enum sks_level level)
{
	return level <= log->level;
}

/*
 * What reads stderr may be gone or stuck, and neither SIGPIPE nor a full pipe may reach the server.
 * A stream that is not a socket has no flags for that, but a pipe that polls as writable takes
 * PIPE_BUF bytes, which is more than a line.
 */
static void write_stderr(const char *line, size_t len)
{
	struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT };
	struct __kernel_timespec at_once = { 0 };
	long sent;

	sent = sks_raw(SYS_sendto, STDERR_FILENO, line, len, MSG_NOSIGNAL | MSG_DONTWAIT, (void *)0,
		       (size_t)0);
	if (sent != -ENOTSOCK)
		return;
	if (sks_raw(SYS_ppoll, &room, 1, &at_once, (void *)0, (size_t)0) == 1 &&
	    room.revents == POLLOUT)
		(void)sks_raw(SYS_write, STDERR_FILENO, line, len);
}

/* O_NONBLOCK: a FIFO that nobody reads is an error here and not a wait. */
static void write_file(const char *path, const char *line, size_t len)
{
	int flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
	int fd = (int)sks_raw(SYS_openat, AT_FDCWD, path, flags, 0600);

	if (fd < 0)
		return;
	(void)sks_raw(SYS_write, fd, line, len);
	(void)sks_raw(SYS_close, fd);
}

/* FNV-1a; 0 marks a free place. */
static uint32_t hash(const char *s)
{
	uint32_t h = 2166136261u;

	while (*s)
		h = (h ^ (unsigned char)*s++) * 16777619u;
	return h ? h : 1;
}

/* A full table is silent: whoever has read that many different warnings has read enough. */
static bool is_news(const char *text)
{
	uint32_t h = hash(text);

	for (unsigned int i = 0; i < SKS_WARNINGS; i++) {
		uint32_t seen = 0;

		if (atomic_compare_exchange_strong(&sks_memory->warned[i], &seen, h))
			return true;
		if (seen == h)
			return false;
	}
	return false;
}

/* SIGPIPE, SIGTTOU (stty tostop), SIGXFSZ (ulimit -f): none that our line raises reaches the
 * server. */
static void write_quietly(const struct sks_log *log, const char *line, size_t len)
{
	const uint64_t quiet = 1ull << (SIGPIPE - 1) | 1ull << (SIGTTOU - 1) |
			       1ull << (SIGXFSZ - 1);
	struct __kernel_timespec at_once = { 0 };
	uint64_t before = 0, pending = 0, ours;

	(void)sks_raw(SYS_rt_sigpending, &pending, sizeof(pending));
	(void)sks_raw(SYS_rt_sigprocmask, SIG_BLOCK, &quiet, &before, sizeof(quiet));
	if (log->path[0])
		write_file(log->path, line, len);
	else if (stderr_is_the_same(log))
		write_stderr(line, len);
	ours = quiet & ~pending;
	while (sks_raw(SYS_rt_sigtimedwait, &ours, (void *)0, &at_once, sizeof(ours)) > 0)
		;
	(void)sks_raw(SYS_rt_sigprocmask, SIG_SETMASK, &before, (void *)0, sizeof(before));
}

void sks_line_start(struct sks_line *line)
{
	/* The last byte is kept for the newline. */
	sks_text_init(&line->text, line->buf, sizeof(line->buf) - 1);
	sks_text_str(&line->text, "sksteer: ");
}

void sks_line_write(struct sks_line *line, const struct sks_log *log, enum sks_level level)
{
	size_t len = line->text.pos;

	if (!sks_log_wants(log, level) || (level <= SKS_WARN && !is_news(line->buf)))
		return;
	/* Quoted from the environment: no escape sequence of it reaches a terminal. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line->buf[i] < ' ' || line->buf[i] == 0x7f)
			line->buf[i] = '?';
	line->buf[len++] = '\n';
	write_quietly(log, line->buf, len);
}
