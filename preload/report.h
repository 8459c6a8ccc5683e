/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the library says to a person: which event becomes which line, at which level. */
#ifndef SKSTEER_REPORT_H
#define SKSTEER_REPORT_H

#include "config.h"

/* What is wrong in the environment. */
void sks_report_config(const struct sks_config *config);
/*
 * Why sks_wire_call() to that path failed with err, as the beginning of a sentence or all of it.
 * theirs: with -EPROTO, the version that the reply says.
 */
void sks_report_why(struct sks_text *text, const char *path, int err, uint16_t theirs);
/* sks_wire_call() failed with err: op was not answered. */
void sks_report_silence(const struct sks_config *config, enum sks_op op, int err, uint16_t theirs);
/* The helper answered: its refusal, its warning, or that fd is steered. */
void sks_report_reply(const struct sks_config *config, enum sks_op op, int fd,
		      const struct sks_reply *reply);
/* From now on answers to datagrams leave from the server's own port. */
void sks_report_sandbox(const struct sks_config *config);
/* A socket that was to take over port wanted is not registered there, so listen(2) fails. */
void sks_report_stranded(const struct sks_config *config, uint16_t wanted);
/* bind(2) to port wanted went to another one instead. */
void sks_report_moved(const struct sks_config *config, uint16_t wanted, uint16_t at);
/* What the helper sent as the socket to share is none that can stand for the server's own. */
void sks_report_unfit(const struct sks_config *config);

#endif
