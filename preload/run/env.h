/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the environment in which the command starts. */
#ifndef SKSTEER_RUN_ENV_H
#define SKSTEER_RUN_ENV_H

#include <stdbool.h>

#include "options.h"

/*
 * Sets what the library reads and unsets what an outer run left behind. library is preloaded,
 * unless it is NULL. socket is the helper's absolute path, NULL for the default. warned: it was
 * said already that none answers. 0 or -errno, with the reason said on stderr.
 */
int sks_run_env_set(const struct sks_run_options *opts, const char *library, const char *socket,
		    bool warned);

/*
 * Unsets what names a service: a library that is preloaded all the same, into the command or what
 * it starts, has nothing to do there.
 */
void sks_run_env_forget(void);

#endif
