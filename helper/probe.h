/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the quick question whether anybody at all has a port: by binding it, for a moment. */
#ifndef SKSTEER_PROBE_H
#define SKSTEER_PROBE_H

#include "change.h"

/*
 * Does no socket of that protocol (SKS_TCP, SKS_UDP) have the port at that address (length 0: at
 * any of the family)? False also when it can't be told. In order not to be refused the port has to
 * be claimed for the change's user.
 */
bool sks_probe_is_free(const struct sks_change *change, uint8_t proto,
		       const struct sks_prefix *addr, uint16_t port);

#endif
