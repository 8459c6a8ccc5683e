/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns where bind(2) puts a socket whose port another instance of its label may have. */
#ifndef SKSTEER_PLACE_H
#define SKSTEER_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "config.h"
#include "offer.h"

/* May the mode have a place of its own for sockets of this protocol (SKS_TCP or SKS_UDP)? */
bool sks_place_depends(const struct sks_config *config, uint8_t proto);

/*
 * Asks the helper (CHECK) where fd is to be bound, which the server wants at addr. A socket that is
 * shared is fd already when this returns. 0, or -errno, with *ret_place as it was: refused, or
 * nobody answered; it has been said.
 */
int sks_place_find(const struct sks_config *config, int fd, const struct sockaddr *addr,
		   socklen_t len, uint8_t proto, struct sks_placing *ret_place);

/* As bind(2), but there. */
int sks_place_bind(const struct sks_config *config, int fd, const struct sockaddr *addr,
		   socklen_t len, const struct sks_placing *place);

#endif
