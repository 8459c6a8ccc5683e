/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns destinations: which sockets are one, and when one is nobody's any more. */
#ifndef SKSTEER_DEST_H
#define SKSTEER_DEST_H

#include <stdbool.h>
#include <stdint.h>

#include "service.h"
#include "socket.h"
#include "store.h"

/*
 * In the next state, the service's destination of sockets like this one, made if there is none of
 * this instance or of one that still has sockets there; it serves the socket's families. 0,
 * -ENOSPC: the namespace is full; or why the map could not grow.
 */
int sks_dest_get(struct sks_space *space, const struct sks_service *service,
		 const struct sks_socket *sock, struct sks_dest **ret_dest);
/*
 * The same for a socket that stands by: what there is stays as it is, and a destination that is
 * made serves nothing yet. When its instance takes over, sks_dest_open() makes it serve the socket.
 */
int sks_dest_get_standby(struct sks_space *space, const struct sks_service *service,
			 const struct sks_socket *sock, struct sks_dest **ret_dest);
void sks_dest_open(struct sks_space *space, struct sks_dest *dest, uint32_t families);

/* Had the service a socket on that port, at that address, that served as many families? */
bool sks_dest_has_place(const struct sks_space *space, const struct sks_service *service,
			const struct sks_socket *sock);

/* Some socket, of whatever instance, alive when last looked at? */
bool sks_dest_has_socket(const struct sks_space *space, uint32_t dest);

/* Kills, in the next state, what the service has left on ports that no clause speaks of any more. */
void sks_dests_leave(struct sks_space *space, const struct sks_service *service);

/*
 * A label that no server has come to yet refuses at the addresses that its bindings name: the
 * destination for that, made where it is needed. Errors as above.
 */
int sks_dest_stand_in(struct sks_space *space, const struct sks_service *service, uint8_t proto);

/*
 * Kills the destinations of services with sockets that have none themselves, when nothing leads to
 * them or they are an earlier instance's, once the new one has had time to listen there again.
 * True: there were any.
 */
bool sks_dests_prune(struct sks_space *space, int64_t now_ms);

#endif
