// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the policy file: what it says, and why one is refused. It grants privileges. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/text.h"
#include "policy_file.h"

#define QUOTED 60 /* characters of what is wrong that a message repeats */
#define BLANKS " \t\r\n\v\f"

struct reading {
	struct sks_policy_file file;
	const char *text; /* NUL-terminated */
	size_t pos;	  /* where the next line begins */
	unsigned int line;
	bool indented;	    /* the line: it continues the one before, if that has a key */
	char section[64];   /* without its brackets, as inih has it; empty before the first */
	uint32_t uid;	    /* whose section it is */
	bool has_ports;	    /* that section, already */
	unsigned int wrong; /* the line that why is about, or 0 */
	char *why;
};

/* The first complaint stays. 0: what an inih handler returns on failure. */
__attribute__((format(printf, 3, 4))) static int complain(struct reading *r, unsigned int line,
							  const char *format, ...)
{
	size_t len;
	va_list args;

	if (r->wrong)
		return 0;
	r->wrong = line;
	len = (size_t)snprintf(r->why, SKS_POLICY_WHY_SIZE, "%s:%u: ", r->file.path, line);
	if (len >= SKS_POLICY_WHY_SIZE)
		return 0;
	va_start(args, format);
	(void)vsnprintf(r->why + len, SKS_POLICY_WHY_SIZE - len, format, args);
	va_end(args);
	return 0;
}

static int find_user(const char *name, uint32_t *ret_uid)
{
	const struct passwd *user = getpwnam(name);

	if (!user) /* (uid_t)-1 is nobody's */
		return sks_uint_parse(name, strlen(name), UINT32_MAX - 1, ret_uid);
	*ret_uid = user->pw_uid;
	return 0;
}

/* Also one without a key is looked at, which inih does not report. */
static void open_section(struct reading *r, const char *line)
{
	size_t len = strcspn(line, "]"), whole = strcspn(line, "\r\n");
	const char *rest = line + len + (line[len] == ']');

	rest += strspn(rest, BLANKS);
	r->has_ports = false;
	if (line[len] != ']' || (*rest && !strchr(";#", *rest)) || len > sizeof(r->section)) {
		(void)complain(r, r->line, "\"%.*s\": a section is [user NAME], alone in its line",
			       (int)(whole < QUOTED ? whole : QUOTED), line);
		return;
	}
	(void)snprintf(r->section, sizeof(r->section), "%.*s", (int)len - 1, line + 1);
	if (strncmp(r->section, "user ", 5) != 0)
		(void)complain(r, r->line, "\"[%s]\": no such section; there is [user NAME]",
			       r->section);
	else if (find_user(r->section + 5, &r->uid))
		(void)complain(r, r->line, "\"[%s]\": there is no such user", r->section);
}

/* As fgets(3) for inih, which cuts a line that is too long for it in two, and says no numbers. */
static char *next_line(char *buf, int size, void *stream)
{
	struct reading *r = stream;
	const char *line = r->text + r->pos;
	size_t len = strcspn(line, "\n");

	if (r->wrong || !*line)
		return NULL;
	r->line++;
	if (len > (size_t)size - 3) {
		(void)complain(r, r->line,
			       "\"%.*s...\": more than %d characters; continue in an indented line",
			       QUOTED, line, size - 3);
		return NULL;
	}
	r->pos += len + (line[len] == '\n');
	r->indented = isspace((unsigned char)*line);
	(void)snprintf(buf, (size_t)size, "%.*s\n", (int)len, line);
	if (*line == '[')
		open_section(r, buf);
	return r->wrong ? NULL : buf;
}

static int add_grant(struct sks_policy_file *file, const struct sks_grant *grant)
{
	struct sks_grant *grants = file->grants;

	if (!(file->n & (file->n - 1))) { /* full: there is room for a power of two */
		grants = reallocarray(grants, file->n ? 2 * file->n : 1, sizeof(*grants));
		if (!grants)
			return -ENOMEM;
		file->grants = grants;
	}
	grants[file->n++] = *grant;
	return 0;
}

static int read_ports(struct reading *r, const char *value)
{
	struct sks_spec_cursor cursor = { .text = value, .len = strlen(value) };
	struct sks_grant grant = { .uid = r->uid, .line = r->line };
	struct sks_spec_error error;
	int more;

	while ((more = sks_spec_next(&cursor, &grant.target, &error)) > 0) {
		if (grant.target.listener_port)
			more = sks_spec_refuse(&cursor, "a grant names no listener", &error);
		if (more < 0)
			break;
		if (add_grant(&r->file, &grant))
			return complain(r, r->line, "ports: %s", strerror(ENOMEM));
	}
	return more < 0 ? complain(r, r->line, "ports: %s", error.text) : 1;
}

/* Two sections of one user are two chances to overlook one of them. */
static int begin_ports(struct reading *r, const char *value)
{
	for (size_t i = 0; i < r->file.n; i++) {
		if (r->file.grants[i].uid == r->uid)
			return complain(r, r->line,
					"ports: \"%.*s\": user %u has ports already, in line %u",
					QUOTED, value, r->uid, r->file.grants[i].line);
	}
	r->has_ports = true;
	return 1;
}

static int on_key(void *stream, const char *section, const char *name, const char *value)
{
	struct reading *r = stream;

	/* An indented section is one to inih, where no key has come before. */
	if (strcmp(section, r->section) != 0)
		return complain(r, r->line, "\"[%s]\": a section begins its line", section);
	if (!*section)
		return complain(r, r->line, "%.*s: \"%.*s\": before any section", QUOTED, name,
				QUOTED, value);
	if (strcmp(name, "ports") != 0)
		return complain(r, r->line, "\"%.*s\": no such key; there is ports", QUOTED, name);
	if (!(r->indented && r->has_ports) && !begin_ports(r, value))
		return 0;
	return read_ports(r, value);
}

/* What inih took for neither a section nor a key. */
static void complain_syntax(struct reading *r, unsigned int line)
{
	const char *text = r->text;

	for (unsigned int i = 1; i < line; i++)
		text += strcspn(text, "\n") + 1;
	text += strspn(text, BLANKS);
	r->wrong = 0;
	(void)complain(r, line, "\"%.*s\": neither [user NAME] nor KEY = VALUE",
		       (int)strcspn(text, "\r\n"), text);
}

static int parse(const char *text, struct sks_policy_file *file, char *ret_why)
{
	struct reading r = { .file = *file, .text = text, .why = ret_why };
	int line = ini_parse_stream(next_line, &r, on_key, &r);

	/* inih goes on after an error, and returns the line of the first. */
	if (line > 0 && (!r.wrong || (unsigned int)line < r.wrong))
		complain_syntax(&r, (unsigned int)line);
	*file = r.file;
	return r.wrong ? -EINVAL : line < 0 ? -ENOMEM : 0;
}

/* Why a file with such an owner and mode must not grant anything, or NULL. */
static const char *unsafe(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "is not a regular file";
	if (st->st_uid != 0)
		return "is not root's, and grants privileges";
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return "may be written to by others than root, and grants privileges";
	if (st->st_size > SKS_POLICY_FILE_SIZE)
		return "has more than 1048576 bytes";
	return NULL;
}

static int read_text(int fd, size_t size, char **ret_text)
{
	char *text = malloc(size + 1);
	size_t len = 0;
	ssize_t n = 1;

	if (!text)
		return -ENOMEM;
	while (n > 0 && len < size) {
		n = read(fd, text + len, size - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (n < 0) {
		int err = -errno;

		free(text);
		return err;
	}
	text[len] = '\0';
	if (strlen(text) != len) { /* what stands behind would be overlooked */
		free(text);
		return -EILSEQ;
	}
	*ret_text = text;
	return 0;
}

/* *ret_text is malloc'd; *ret_unsafe: why it is refused, with -EACCES. */
static int load(const char *path, char **ret_text, const char **ret_unsafe)
{
	/* O_NONBLOCK: a FIFO is refused and not waited for. */
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	*ret_unsafe = unsafe(&st);
	return *ret_unsafe ? -EACCES : read_text(fd, (size_t)st.st_size, ret_text);
}

int sks_policy_file_read(const char *path, struct sks_policy_file *ret_file,
			 char ret_why[SKS_POLICY_WHY_SIZE])
{
	struct sks_policy_file file = { .path = path };
	const char *reason = NULL;
	char *text = NULL;
	int err = load(path, &text, &reason);

	*ret_why = '\0';
	if (!err)
		err = parse(text, &file, ret_why);
	free(text);
	if (!err) {
		*ret_file = file;
		return 0;
	}
	sks_policy_file_free(&file);
	if (!*ret_why)
		(void)snprintf(ret_why, SKS_POLICY_WHY_SIZE, "%s: %s", path,
			       reason		? reason
			       : err == -EILSEQ ? "has a NUL byte"
						: strerror(-err));
	for (char *c = ret_why; *c; c++)
		*c = *c >= ' ' && *c <= '~' ? *c : '?';
	return err;
}

void sks_policy_file_free(struct sks_policy_file *file)
{
	free(file->grants);
	file->grants = NULL;
	file->n = 0;
}

static bool holds(const struct sks_grant *grant, uint32_t uid, uint8_t proto,
		  const struct sks_prefix *place, uint32_t port)
{
	const struct sks_target *target = &grant->target;

	return grant->uid == uid && target->proto == proto && target->first <= port &&
	       port <= target->last &&
	       (target->where != SKS_WHERE_PREFIX ||
		sks_prefix_contains(&target->where_prefix, place));
}

uint16_t sks_policy_file_lacks(const struct sks_policy_file *file, uint32_t uid, uint8_t proto,
			       const struct sks_prefix *place, uint16_t first, uint16_t last)
{
	uint32_t port = first;

	while (port <= last) {
		size_t i = 0;

		while (i < file->n && !holds(&file->grants[i], uid, proto, place, port))
			i++;
		if (i == file->n)
			return (uint16_t)port;
		port = file->grants[i].target.last + 1u;
	}
	return 0;
}
