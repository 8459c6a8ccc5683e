/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns where one address and port leads, as the dispatcher would have it. */
#ifndef SKSTEER_LEAD_H
#define SKSTEER_LEAD_H

#include "resolve.h"

/*
 * By the current state, all routes that hold these UDP ports (merged; NULL: any), without what is
 * left out to others. 0, or an errno.
 */
int sks_leads_resolve(const struct sks_space *space, const struct sks_ranges *udp,
		      struct sks_routes *ret_routes);
/*
 * Of those routes, or others, the one by which a packet for the address (of full length) goes that
 * arrives at that interface (0: at one that no socket is bound to), be it to SKS_DEST_GUARD; NULL:
 * none.
 */
const struct sks_route *sks_lead_find(const struct sks_routes *routes, uint8_t proto,
				      const struct sks_prefix *addr, uint16_t port,
				      uint32_t ifindex);

#endif
