/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what a user may say to sksteer-run on its command line. */
#ifndef SKSTEER_RUN_OPTIONS_H
#define SKSTEER_RUN_OPTIONS_H

#include <stdbool.h>

enum sks_engine { SKS_ENGINE_AUTO, SKS_ENGINE_PRELOAD, SKS_ENGINE_SECCOMP };

struct sks_run_options {
	const char *spec;   /* parses, or NULL: no -p */
	const char *label;  /* valid, or NULL: no -l */
	const char *socket; /* as given, or NULL: no --socket */
	char mode[16];	    /* as SKSTEER_MODE has it; empty: no --replace, --join, --share */
	enum sks_engine engine;
	bool strict;
	bool verbose;
	char **command; /* NULL-terminated, at least one word */
};

/* 0; -ECANCELED: help was asked for and printed; -EINVAL: said on stderr what is wrong. */
int sks_run_options_parse(int argc, char **argv, struct sks_run_options *ret_options);

#endif
