/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the library's conversation with the helper: when it asks, what, and how long it waits. */
#ifndef SKSTEER_OFFER_H
#define SKSTEER_OFFER_H

#include <stdint.h>
#include <sys/socket.h>

#include "config.h"

#define SKS_NOT_MEANT 1

/*
 * Asks the helper op (SKS_OP_CHECK or SKS_OP_REGISTER) about fd, which stays the caller's. addr:
 * what bind(2) is about to be asked for, a whole AF_INET or AF_INET6 address, or NULL for a bound
 * socket. *deadline is 0 or what an earlier call within the same bind or listen left there.
 *
 * 0: granted. SKS_NOT_MEANT: no clause speaks of the socket, which another of the instance's comes
 * before. -errno: refused, or nobody answered, or the environment is in error; it has been
 * said, once. -ETIMEDOUT also, at once, in the minute after a helper did not answer in time.
 */
int sks_offer(const struct sks_config *config, enum sks_op op, int fd, const struct sockaddr *addr,
	      int64_t *deadline);

#endif
