/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the library says to a person: which event becomes which line, at which level. */
#ifndef SKSTEER_REPORT_H
#define SKSTEER_REPORT_H

#include "config.h"

/* What is wrong in the environment. */
void sks_report_config(const struct sks_config *config);
/* sks_wire_call() failed with err. */
void sks_report_silence(const struct sks_config *config, int err);
/* The helper answered: its refusal, its warning, or that fd is steered. */
void sks_report_reply(const struct sks_config *config, enum sks_op op, int fd,
		      const struct sks_reply *reply);

#endif
