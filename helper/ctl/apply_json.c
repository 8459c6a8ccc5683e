/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the reading of a bindings file as JSON (see apply_json.h). */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/cleanup.h"
#include "apply_json.h"

#define MAX_FILE (128u << 20) /* bytes: a million bindings, generously spaced */

int sks_apply_complain(const char *name, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	warnx("apply: %s: %s", name, text);
	return -EINVAL;
}

/* Room for one byte more, and a NUL. */
static int make_room(char **text, size_t len, size_t *room)
{
	char *more;

	if (len + 1 < *room)
		return 0;
	*room = *room ? 2 * *room : 1u << 16;
	more = realloc(*text, *room);
	if (!more)
		return -ENOMEM;
	*text = more;
	return 0;
}

static int read_text(const char *name, int fd, char **ret_text, size_t *ret_len)
{
	size_t len = 0, room = 0;
	char *text = NULL;
	ssize_t n = 0;
	int err = 0;

	do {
		len += (size_t)n;
		err = make_room(&text, len, &room);
		if (err)
			break;
		n = read(fd, text + len, room - len - 1);
		if (n < 0)
			err = -errno;
	} while (n > 0 && len <= MAX_FILE);
	if (!err && !n) {
		text[len] = '\0';
		*ret_text = text;
		*ret_len = len;
		return 0;
	}
	free(text);
	(void)sks_apply_complain(name, "%s", err ? strerror(-err) : "it has more than 128 MiB");
	return -EINVAL;
}

static int read_file(const char *name, const char *path, char **ret_text, size_t *ret_len)
{
	CLEANUP_FD int fd = -1;

	if (strcmp(path, "-") == 0)
		return read_text(name, STDIN_FILENO, ret_text, ret_len);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return read_text(name, fd, ret_text, ret_len);
	(void)sks_apply_complain(name, "%s", strerror(errno));
	return -EINVAL;
}

static int complain_at(const char *name, const char *text, size_t at, const char *why)
{
	size_t line = 1, begin = 0;
	char quoted[SKS_QUOTELEN];

	for (size_t i = 0; i < at; i++) {
		if (text[i] != '\n')
			continue;
		line++;
		begin = i + 1;
	}
	return sks_apply_complain(name, "line %zu: %s at character %zu: %s", line,
				  sks_apply_quote(text + at, 1, quoted), at - begin + 1, why);
}

static int check_bytes(const char *name, const char *text, size_t len)
{
	const char *nul = memchr(text, '\0', len);

	if (nul)
		return complain_at(name, text, (size_t)(nul - text), "a NUL byte");
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		return sks_apply_complain(name,
					  "it begins with a byte order mark: UTF-8 needs none");
	if (strspn(text, " \t\r\n") == len)
		return sks_apply_complain(name, "it is empty");
	return 0;
}

/* The NUL belongs to what is parsed: it says that nothing more comes. */
static int parse(const char *name, const char *text, size_t len, struct json_object **ret_file)
{
	struct json_tokener *tokener = json_tokener_new();
	enum json_tokener_error error;
	size_t at;

	if (!tokener)
		return sks_apply_complain(name, "%s", strerror(ENOMEM));
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	*ret_file = json_tokener_parse_ex(tokener, text, (int)len + 1);
	error = json_tokener_get_error(tokener);
	at = json_tokener_get_parse_end(tokener);
	json_tokener_free(tokener);
	if (error == json_tokener_success)
		return 0;
	if (at >= len)
		return sks_apply_complain(name, "it ends in the middle");
	return complain_at(name, text, at, json_tokener_error_desc(error));
}

int sks_apply_json_read(const char *name, const char *path, struct json_object **ret_file)
{
	char why[SKS_APPLY_WHYLEN], *text;
	struct json_object *file = NULL;
	size_t len;
	int err = read_file(name, path, &text, &len);

	if (err)
		return err;
	err = check_bytes(name, text, len) ?: parse(name, text, len, &file);
	if (!err && sks_apply_keys_check(text, len, why))
		err = sks_apply_complain(name, "%s", why);
	free(text);
	if (err)
		json_object_put(file);
	else
		*ret_file = file;
	return err;
}
