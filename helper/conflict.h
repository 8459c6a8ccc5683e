/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what belongs to others: sockets that hold ports already, and other services' routes. */
#ifndef SKSTEER_CONFLICT_H
#define SKSTEER_CONFLICT_H

#include "change.h"
#include "diag.h"

/*
 * Looks at the routes that the change brings to its services: routes are all those of the next
 * state that touch the ranges, by protocol, of the change. -EACCES: the policy says no;
 * -EADDRINUSE: one is another service's already, or another user's socket holds an exclusive one
 * (exclusive.h). Who may shadow takes a prefix from a wildcard listener, the longer wins. Then
 * others' bind(2) there is refused already (claims.h), until the change is forgotten.
 */
int sks_conflict_check(struct sks_change *change, const struct sks_ranges *ranges,
		       const struct sks_routes *routes);

/*
 * Writes down, as bindings of the next state, which ports the services' routes that yield leave
 * out: those that sockets of others hold, and for UDP the ports that the kernel gives to clients.
 * Those that stay left out keep their records. routes: at least all of the services'.
 */
int sks_conflict_leave_out(struct sks_change *change, const struct sks_routes *routes);

/*
 * helper/held.c: the sockets of that protocol (SKS_TCP, SKS_UDP) that are not the service's, by
 * port, at least those on the n ranges (0: on all ports); of those that look the same, one (so no
 * cookie tells). Where several services change, also theirs, and whose. Free it. An errno with a
 * text.
 */
int sks_conflict_held(const struct sks_change *change, uint8_t proto,
		      const struct sks_port_range *ranges, size_t n,
		      struct sks_held_list *ret_list);

#endif
