/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns sockets that two instances have: how the second one gets the very socket of the first. */
#ifndef SKSTEER_SHARE_H
#define SKSTEER_SHARE_H

#include "request.h"
#include "socket.h"

/*
 * asked->ret_fd is the socket of that slot, taken from a process that has it, for a server whose
 * own socket is like it. The helper keeps none. 0, or an errno with a text: they differ in what
 * cannot be made alike, or no process that its user may look into (ptrace(2)) has it.
 */
int sks_share(struct sks_asked *asked, struct sks_space *space, uint32_t slot,
	      const struct sks_socket *socket);

#endif
