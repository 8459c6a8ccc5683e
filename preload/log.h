/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the library's voice: one line to stderr or to the file SKSTEER_LOG, in one write. */
#ifndef SKSTEER_LOG_H
#define SKSTEER_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/text.h"

enum sks_level { SKS_ERROR, SKS_WARN, SKS_INFO, SKS_DEBUG };

/* Where lines go. path empty: to stderr, while it is still the file that it was at start. */
struct sks_log {
	enum sks_level level;
	bool had_stderr;
	uint32_t dev_major, dev_minor, rdev_major, rdev_minor;
	uint64_t ino;
	char path[4096];
};

/* A line in the making; sks_line_start() writes "sksteer: " and the caller appends to text. */
struct sks_line {
	struct sks_text text;
	char buf[1024];
};

/* Remembers what stderr is: the only system call. */
void sks_log_note_stderr(struct sks_log *log);
bool sks_log_wants(const struct sks_log *log, enum sks_level level);
void sks_line_start(struct sks_line *line);

/*
 * Writes the line unless log is quieter than level. The same error or warning is written once in
 * the life of a process. Never blocks, raises no SIGPIPE, reports no failure.
 */
void sks_line_write(struct sks_line *line, const struct sks_log *log, enum sks_level level);

#endif
