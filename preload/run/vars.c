/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how a variable of the server to come is set, and which path its helper's socket has. */
#include "vars.h"

#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../../common/wire.h"

int sks_var_set(const char *name, const char *value)
{
	return (value ? setenv(name, value, 1) : unsetenv(name)) < 0 ? -errno : 0;
}

int sks_var_set_preload(const char *library)
{
	const char *inherited = getenv("LD_PRELOAD");
	char *value;
	int err;

	/* ld.so splits LD_PRELOAD at both and knows no quoting. */
	if (strpbrk(library, " :")) {
		warnx("%s: a path with a blank or a colon cannot be preloaded", library);
		return -EINVAL;
	}
	if (!inherited || !*inherited)
		return sks_var_set("LD_PRELOAD", library);
	if (asprintf(&value, "%s:%s", library, inherited) < 0)
		return -ENOMEM;
	err = sks_var_set("LD_PRELOAD", value);
	free(value);
	return err;
}

int sks_var_set_instance(void)
{
	unsigned char id[SKS_INSTANCE_SIZE];
	char hex[2 * SKS_INSTANCE_SIZE + 1];

	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return -EIO;
	for (size_t i = 0; i < sizeof(id); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", id[i]);
	return sks_var_set("SKSTEER_INSTANCE", hex);
}

int sks_socket_path(const char *path, char *ret_path, size_t size)
{
	char cwd[PATH_MAX] = "";
	int len;

	if (path[0] != '/' && !getcwd(cwd, sizeof(cwd))) {
		warn("%s: the current directory", path);
		return -errno;
	}
	len = snprintf(ret_path, size, "%s%s%s", cwd, *cwd ? "/" : "", path);
	if (len >= 0 && (size_t)len < size)
		return 0;
	warnx("%s: a socket's path has at most %zu characters", path, size - 1);
	return -ENAMETOOLONG;
}
