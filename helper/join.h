/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns instances that serve a label together: whose sockets share a destination, and by what weight.
 */
#ifndef SKSTEER_JOIN_H
#define SKSTEER_JOIN_H

#include "change.h"

/*
 * The change's socket is to share with the one in the slot of its partner, and whoever else is
 * there: sets change->dest and what the slot says. It may listen on another port, but must be of
 * the same kind and at the same address. 0, or an errno with a text.
 */
int sks_join(struct sks_space *space, const struct sks_socket *socket, uint32_t partner,
	     struct sks_change *change);

/*
 * Processes of one instance may each have been bound elsewhere, to other ports, where the kernel
 * does not spread over their sockets: then the change's destination does. 0, or an errno with a
 * text.
 */
int sks_join_split(struct sks_space *space, struct sks_change *change);

/* How many connections the instance gets of which the process has a socket: its weight against the
 * others'. -ESRCH with a text: it has none of that label. */
int sks_join_weigh(struct sks_space *space, const struct sks_service *service, pid_t pid,
		   uint16_t weight, struct sks_verdict *verdict);

#endif
