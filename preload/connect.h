/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns connect(2) of a socket that is steered to. The kernel would find it only by the port that it
 * is bound to; so another one takes its place, which is bound to what the peer has asked, and
 * connected to the peer.
 */
#ifndef SKSTEER_CONNECT_H
#define SKSTEER_CONNECT_H

#include <stdbool.h>
#include <sys/socket.h>

#include "dgram.h"

/* True: fd is connected. Else connect(2) is to do what it does, which has been said. */
bool sks_connect(struct sks_dgram *dgram, int fd, const struct sockaddr *addr, socklen_t len);

#endif
