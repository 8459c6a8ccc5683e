/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns what follows from sockets that are bound elsewhere than their servers asked for: the port
 * asked for is steered to them, and the one that they have is nobody's but this machine's.
 */
#ifndef SKSTEER_MOVED_H
#define SKSTEER_MOVED_H

#include "service.h"
#include "verdict.h"

/*
 * Brings the service's bindings of these kinds, in the next state, to what its sockets say: those
 * that stand by have no port yet. 0, or an errno with a text.
 */
int sks_moved_settle(struct sks_space *space, const struct sks_service *service,
		     struct sks_verdict *verdict);
/* The same for all services. True: something has changed. What there is no room for stays out. */
bool sks_moved_settle_all(struct sks_space *space);

#endif
