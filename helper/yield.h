/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns that "*", wide ranges and ports that clients get give way to sockets that come later. */
#ifndef SKSTEER_YIELD_H
#define SKSTEER_YIELD_H

#include "space.h"

/*
 * Looks, if it is time, which sockets of others are there now: their ports are left out, those of
 * sockets that are gone come back. To be called at least each 0.6 s.
 */
void sks_yields_look(struct sks_spaces *spaces);

#endif
