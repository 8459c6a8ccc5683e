/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the library's conversation with the helper: when it asks, what, and how long it waits. */
#ifndef SKSTEER_OFFER_H
#define SKSTEER_OFFER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "config.h"

#define SKS_NOT_MEANT 1

/* What bind(2) is to do. */
struct sks_placing {
	uint16_t place; /* enum sks_place */
	uint16_t port;	/* of SKS_PLACE_ELSEWHERE; 0: any */
	int fd;		/* of SKS_PLACE_SHARED: the caller's; else -1 */
};

/*
 * Each asks the helper about fd, which stays the caller's. *deadline is 0 or what an earlier call
 * within the same bind or listen left there.
 *
 * 0: granted. SKS_NOT_MEANT: no clause speaks of the socket, which another of the instance's comes
 * before. -errno: refused, or nobody answered, or the environment is in error; it has been
 * said, once. -ETIMEDOUT also, at once, in the minute after a helper did not answer in time.
 */

/* Would fd be granted, once bind(2) has bound it to addr, a whole AF_INET or AF_INET6 address? */
int sks_offer_bind(const struct sks_config *config, int fd, const struct sockaddr *addr,
		   struct sks_placing *ret_place);

/*
 * bind(2) of fd to addr was denied: a whole AF_INET or AF_INET6 address, with its scope. 0: the
 * helper has bound it. -errno: why not, or as above.
 */
int sks_offer_open(const struct sks_config *config, int fd, const struct sockaddr *addr);

/* SKS_OP_CHECK or SKS_OP_REGISTER of a bound socket. wanted: the port it was moved from, or 0. */
int sks_offer(const struct sks_config *config, enum sks_op op, int fd, uint16_t wanted,
	      int64_t *deadline);

/*
 * SKS_OP_REGISTER of a bound UDP socket whose process answers from where it is asked; *ret_token is
 * for reply sockets, or 0.
 */
int sks_offer_datagrams(const struct sks_config *config, int fd, uint64_t *ret_token);

/* As SKS_OP_REGISTER, but waits for a helper that is away. SKS_NOT_MEANT is no success either. */
int sks_offer_moved(const struct sks_config *config, int fd, uint16_t wanted);

struct sks_dgram;
struct sks_endpoint;

/*
 * Has fd, an unbound UDP socket, bound where answers of a registered one are to leave from; peer:
 * the only one that it is to receive from, or NULL. 0, with *ret_yields: others may have that port
 * any time. -errno: refused, or as above; -EPERM where anew is set has not been said.
 */
int sks_offer_reply_socket(const struct sks_config *config, int fd, const struct sks_dgram *dgram,
			   const struct sks_endpoint *where, const struct sks_endpoint *peer,
			   bool anew, bool *ret_yields);

/* The token of a registered UDP socket, as a helper that has started anew has it; or 0. */
uint64_t sks_offer_token(const struct sks_config *config, int fd);

/* Is the listener another instance's, too? Silence is a no. */
bool sks_offer_is_shared(const struct sks_config *config, int fd);

#endif
