/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what belongs to others: sockets that hold ports already, and other services' routes. */
#ifndef SKSTEER_CONFLICT_H
#define SKSTEER_CONFLICT_H

#include "change.h"

/*
 * Looks at the routes that the change brings to its service. -EADDRINUSE: one is another service's
 * already, or another user's socket holds an exclusive one (named alone, or in a range of at most
 * SKS_RANGE_EXCLUSIVE). Root may take a prefix from a wildcard listener, the longer wins.
 */
int sks_conflict_check(struct sks_change *change, const struct sks_routes *routes);

/*
 * Writes down, as bindings of the next state, which ports the service's wide ranges leave out:
 * those that sockets of others hold, and for UDP the ports that the kernel gives to clients.
 */
int sks_conflict_leave_out(struct sks_change *change, const struct sks_routes *routes);

#endif
