/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the embedded helper: the one that sksteer-run starts when root finds none. */
#ifndef SKSTEER_RUN_EMBED_H
#define SKSTEER_RUN_EMBED_H

#include <stdbool.h>

#include "../../common/wire.h"

/*
 * Tells the helper at path that this process stands by in the supervisor of that instance, so that
 * it can say so where that is killed. Takes up to 1 s, and nobody minds if it fails.
 */
void sks_embed_stand_by(const char *path, const uint8_t instance[SKS_INSTANCE_SIZE]);

/*
 * Asks the helper at path to stay while this process, and so the command that it becomes, lives.
 * 0: *ret_reply is its answer. Else -errno of sks_wire_call().
 */
int sks_embed_attend(const char *path, struct sks_reply *ret_reply);

/* True when such an error means that nobody serves the path, rather than that somebody is slow. */
bool sks_embed_is_absent(int err);

/*
 * Starts a helper for path, detached from us in everything but its namespaces and cgroup, and asks
 * it to attend. Several may try at once: one wins, and all are attended by it. Takes up to 5 s.
 * 0 as sks_embed_attend(), -ENOENT: there is no sksteerd; else -errno of the last attempt.
 */
int sks_embed_start(const char *path, struct sks_reply *ret_reply);

#endif
