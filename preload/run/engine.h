/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the choice between the two ways to reach a program's sockets. */
#ifndef SKSTEER_RUN_ENGINE_H
#define SKSTEER_RUN_ENGINE_H

#include <stdbool.h>

#include "options.h"

/*
 * Which engine is to reach the program at path, and at verbose says so; SKS_ENGINE_AUTO where none
 * can, which has been said. strict: then nothing is to be started.
 */
enum sks_engine sks_engine_choose(const struct sks_run_options *opts, const char *path,
				  bool strict);

#endif
