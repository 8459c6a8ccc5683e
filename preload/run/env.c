/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the variables by which sksteer-run speaks to the preloaded library. */
#include "env.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../../common/wire.h"

/* value NULL: unset, so that an outer sksteer-run's word does not hold for this command. */
static int set(const char *name, const char *value)
{
	return (value ? setenv(name, value, 1) : unsetenv(name)) < 0 ? -errno : 0;
}

static int set_preload(const char *library)
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
		return set("LD_PRELOAD", library);
	if (asprintf(&value, "%s:%s", library, inherited) < 0)
		return -ENOMEM;
	err = set("LD_PRELOAD", value);
	free(value);
	return err;
}

static int set_instance(void)
{
	unsigned char id[SKS_INSTANCE_SIZE];
	char hex[2 * SKS_INSTANCE_SIZE + 1];

	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return -EIO;
	for (size_t i = 0; i < sizeof(id); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", id[i]);
	return set("SKSTEER_INSTANCE", hex);
}

static int set_all(const struct sks_run_options *opts, const char *socket, bool warned)
{
	int err;

	err = set("SKSTEER_PORTS", opts->spec);
	err = err ? err : set("SKSTEER_LABEL", opts->label);
	err = err ? err : set("SKSTEER_MODE", NULL);
	err = err ? err : set("SKSTEER_SOCKET", socket);
	err = err ? err : set("SKSTEER_WARNED", warned ? "1" : NULL);
	err = err ? err : set_instance();
	/* These are the user's preferences rather than one command's: what is inherited holds. */
	if (!err && opts->strict)
		err = set("SKSTEER_STRICT", "1");
	if (!err && opts->verbose && !getenv("SKSTEER_LOG"))
		err = set("SKSTEER_LOG", "info");
	return err;
}

int sks_run_env_set(const struct sks_run_options *opts, const char *library, const char *socket,
		    bool warned)
{
	int err;

	err = set_preload(library);
	if (err == -EINVAL)
		return err;
	if (!err)
		err = set_all(opts, socket, warned);
	if (err)
		warnx("cannot set the environment: %s", strerror(-err));
	return err;
}
