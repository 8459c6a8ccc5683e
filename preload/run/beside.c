/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the search for the library and the helper: next to the executable, else where installed. */
#include "beside.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int try_dir(const char *dir, size_t dir_len, const char *name, int mode, char *ret_path,
		   size_t size)
{
	char path[PATH_MAX];
	int len;

	len = snprintf(path, sizeof(path), "%.*s/%s", (int)dir_len, dir, name);
	if (len < 0 || (size_t)len >= sizeof(path) || (size_t)len >= size)
		return -ENAMETOOLONG;
	if (access(path, mode) < 0)
		return -ENOENT;
	memcpy(ret_path, path, (size_t)len + 1);
	return 0;
}

int sks_run_beside(const char *name, const char *fallback_dir, int mode, char *ret_path,
		   size_t size)
{
	char self[PATH_MAX];
	const char *slash;
	ssize_t len;

	/* Without /proc there is only the place where it was installed. */
	len = readlink("/proc/self/exe", self, sizeof(self));
	slash = len > 0 ? memrchr(self, '/', (size_t)len) : NULL;
	if (slash && try_dir(self, (size_t)(slash - self), name, mode, ret_path, size) == 0)
		return 0;
	return try_dir(fallback_dir, strlen(fallback_dir), name, mode, ret_path, size);
}
