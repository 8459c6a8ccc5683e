/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns which ports of a route are exclusive, so that nobody else may have them, and which yield to
 * the sockets of others: those of "*" and of ranges wider than SKS_RANGE_EXCLUSIVE, and of any
 * range where the kernel gives ports to clients (ip_local_port_range). A port that is named alone
 * is exclusive wherever it lies.
 */
#ifndef SKSTEER_EXCLUSIVE_H
#define SKSTEER_EXCLUSIVE_H

#include "resolve.h"

/* ip_local_port_range as sks_local_ports_see() last saw it, or the kernel's default. */
struct sks_range sks_local_ports(const struct sks_space *space);
/*
 * Reads it anew in that namespace. It only ever becomes wider: what somebody else got because a
 * range yielded there stays theirs. 1: it has; 0 or -errno.
 */
int sks_local_ports_see(struct sks_space *space, int netns);

/* The part of first-last, of a binding of width ports, that yields. False: none. */
bool sks_ports_yield(const struct sks_space *space, uint32_t width, uint32_t first, uint32_t last,
		     struct sks_range *ret_part);
static inline bool sks_route_yields(const struct sks_space *space, const struct sks_route *route,
				    struct sks_range *ret_part)
{
	return sks_ports_yield(space, route->width, route->first, route->last, ret_part);
}
/* The rest, at most two parts. Returns how many. */
size_t sks_route_exclusive(const struct sks_space *space, const struct sks_route *route,
			   struct sks_range ret_parts[2]);

#endif
