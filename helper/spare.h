/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the processes that stand by in the seccomp engine's supervisors. Where one ends, with no
 * other one in its place and the instance's sockets still there, its supervisor has been killed as
 * a whole: that is said in the log, and in the report of these sockets.
 */
#ifndef SKSTEER_SPARE_H
#define SKSTEER_SPARE_H

#include "request.h"

/* Whoever sends SKS_OP_ATTEND with an instance stands by for that. */
bool sks_spare_is(const struct sks_request *req);
void sks_spare_note(struct sks_asked *asked);

/* Have some ended? now in milliseconds. */
void sks_spare_look(const struct sks_spaces *spaces, int64_t now);

#endif
