/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns connect(2) of a socket that is steered to. The kernel would find it only by the port that it
 * is bound to; so another one takes its place, which is bound to what the peer has asked, and
 * connected to the peer. The server's own is kept meanwhile, if it has ever received anything: a
 * server that has one client after the other connects it anew.
 */
#ifndef SKSTEER_CONNECT_H
#define SKSTEER_CONNECT_H

#include <stdbool.h>
#include <sys/socket.h>

#include "dgram.h"

struct epoll_event;

/* True: fd is connected. Else connect(2) is to do what it does; what went wrong has been said. */
bool sks_connect(struct sks_dgram *dgram, int fd, const struct sockaddr *addr, socklen_t len);
/* The server connects it anew: its own socket is back, where it was kept. */
void sks_connect_back(struct sks_dgram *dgram, int fd);
/* The server has told epoll(7) of fd so. */
void sks_connect_polled(struct sks_dgram *dgram, int epoll, int op,
			const struct epoll_event *event);

#endif
