/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the variables by which sksteer-run speaks to the preloaded library. */
#include "env.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vars.h"

/*
 * Who is started to stand by (sksteerctl upgrade says so, and for which label) stands by, whatever
 * the command line says: it is the one that is written for a start without an upgrade. What that
 * server starts later, for another label or none, does not; any other mode is an outer run's.
 */
static int set_mode(const char *mode, const char *label)
{
	const char *inherited = getenv("SKSTEER_MODE"), *whose = getenv("SKSTEER_LABEL");

	if (inherited && strcmp(inherited, "standby") == 0 && label &&
	    (!whose || strcmp(whose, label) == 0))
		return 0;
	return sks_var_set("SKSTEER_MODE", *mode ? mode : NULL);
}

static int set_all(const struct sks_run_options *opts, const char *socket, bool warned)
{
	int err;

	err = sks_var_set("SKSTEER_PORTS", opts->spec);
	err = err ? err : set_mode(opts->mode, opts->label); /* by the label that is inherited */
	err = err ? err : sks_var_set("SKSTEER_LABEL", opts->label);
	err = err ? err : sks_var_set("SKSTEER_SOCKET", socket);
	err = err ? err : sks_var_set("SKSTEER_WARNED", warned ? "1" : NULL);
	err = err ? err : sks_var_set_instance();
	/* These are the user's preferences rather than one command's: what is inherited holds. */
	if (!err && opts->strict)
		err = sks_var_set("SKSTEER_STRICT", "1");
	if (!err && opts->verbose && !getenv("SKSTEER_LOG"))
		err = sks_var_set("SKSTEER_LOG", "info");
	return err;
}

int sks_run_env_set(const struct sks_run_options *opts, const char *library, const char *socket,
		    bool warned)
{
	int err = library ? sks_var_set_preload(library) : 0;
	if (err == -EINVAL)
		return err;
	if (!err)
		err = set_all(opts, socket, warned);
	if (err)
		warnx("cannot set the environment: %s", strerror(-err));
	return err;
}

void sks_run_env_forget(void)
{
	static const char *const names[] = { "SKSTEER_PORTS", "SKSTEER_LABEL", "SKSTEER_MODE",
					     "SKSTEER_INSTANCE", "SKSTEER_WARNED" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)sks_var_set(names[i], NULL);
}
