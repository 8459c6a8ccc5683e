/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns where a server is to bind that comes to a label which others serve already. */
#ifndef SKSTEER_PLACE_H
#define SKSTEER_PLACE_H

#include "request.h"
#include "socket.h"

/* May servers of that mode ask for a port that another instance has? */
bool sks_mode_moves(uint16_t mode);

/*
 * Answers a CHECK that was granted: asked->place and asked->place_port or, for a server that
 * shares, asked->ret_fd. 0, or an errno with a text: that one can't be shared.
 */
int sks_place(struct sks_asked *asked, struct sks_space *space, const struct sks_socket *socket);

#endif
