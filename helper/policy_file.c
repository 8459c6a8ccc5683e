// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns how the policy file is read, and which one is not even parsed. It grants privileges. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "policy_file.h"
#include "policy_parse.h"

/* Why a file with such an owner and mode must not grant anything, or NULL. */
static const char *unsafe(const struct stat *st)
{
	if (st->st_uid != 0)
		return "is not root's, and grants privileges";
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return "may be written to by others than root, and grants privileges";
	return NULL;
}

static int read_text(int fd, size_t size, char **ret_text, size_t *ret_len)
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
	*ret_text = text;
	*ret_len = len;
	return 0;
}

/* What stands behind a NUL byte would be overlooked. -EINVAL: there is one. */
static int check_text(const char *path, const char *text, size_t len,
		      char ret_why[SKS_POLICY_WHY_SIZE])
{
	unsigned int line = 1;

	if (strlen(text) == len)
		return 0;
	for (const char *c = text; *c; c++)
		line += *c == '\n';
	(void)snprintf(ret_why, SKS_POLICY_WHY_SIZE, "%s:%u: has a NUL byte, so it is no text",
		       path, line);
	return -EINVAL;
}

/* *ret_text is malloc'd. *ret_unsafe: why nobody is to go by it, or NULL. */
static int load(const char *path, bool insist, char **ret_text, size_t *ret_len,
		const char **ret_unsafe)
{
	/* O_NONBLOCK: a FIFO is refused and not waited for. */
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOTSUP;
	*ret_unsafe = unsafe(&st);
	if (insist && *ret_unsafe)
		return -EACCES;
	return st.st_size > SKS_POLICY_FILE_SIZE
		       ? -EFBIG
		       : read_text(fd, (size_t)st.st_size, ret_text, ret_len);
}

static const char *reason_of(int err)
{
	switch (err) {
	case -ENOTSUP:
		return "is not a regular file";
	case -EFBIG:
		return "has more than 1048576 bytes";
	default:
		return strerror(-err);
	}
}

int sks_policy_file_read(const char *path, struct sks_policy_file *ret_file,
			 const char **ret_unsafe, char ret_why[SKS_POLICY_WHY_SIZE])
{
	struct sks_policy_file file = { .path = path };
	const char *why_unsafe = NULL;
	char *text = NULL;
	size_t len = 0;
	int err = load(path, !ret_unsafe, &text, &len, &why_unsafe);

	if (!text) {
		(void)snprintf(ret_why, SKS_POLICY_WHY_SIZE, "%s: %s", path,
			       !ret_unsafe && why_unsafe ? why_unsafe : reason_of(err));
		return err;
	}
	err = check_text(path, text, len, ret_why) ?: sks_policy_parse(text, &file, ret_why);
	free(text);
	if (err)
		return err;
	if (ret_unsafe)
		*ret_unsafe = why_unsafe;
	*ret_file = file;
	return 0;
}

void sks_policy_file_free(struct sks_policy_file *file)
{
	free(file->sections);
	free(file->items);
	file->sections = NULL;
	file->items = NULL;
	file->n_sections = file->n_items = 0;
}
