/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns which of the server's own binds a clause speaks of, and the memory of it per descriptor. */
#ifndef SKSTEER_SELECT_H
#define SKSTEER_SELECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "config.h"

/* What the clauses say about one bind; sets of SKS_TCP and SKS_UDP. */
struct sks_choice {
	uint16_t port;	 /* that the bind named, host order */
	uint8_t named;	 /* protocols in which a clause names this listener */
	uint8_t unnamed; /* protocols in which it is meant if it is the first listener */
};

/*
 * True when clauses speak of a socket bound to addr, in any protocol. In memory only: no system
 * call. Where the environment is in error every bind to a named port is chosen, to hear about it.
 */
bool sks_choose(const struct sks_config *config, const struct sockaddr *addr, socklen_t len,
		struct sks_choice *ret_choice);

/* For listen(2): what bind(2) said of fd. choice NULL: that nothing speaks of it. */
void sks_remember(int fd, const struct sks_choice *choice);

/* Has this process bound a TCP socket by that descriptor that a clause speaks of? */
bool sks_is_remembered(int fd);

/* Has this process bound a socket by that descriptor that no clause speaks of? */
bool sks_is_passed_over(int fd);

/*
 * What was remembered. A socket that this process has not bound itself (inherited through exec,
 * duplicated, received), or with a very high descriptor, costs a system call: getsockname(2).
 */
bool sks_recall(const struct sks_config *config, int fd, struct sks_choice *ret_choice);

/* Is the socket bound to that port? A system call. */
bool sks_is_bound_to(int fd, uint16_t wanted);

/* Is a socket of this protocol (SKS_TCP or SKS_UDP) to be offered, as things stand? */
bool sks_is_wanted(const struct sks_choice *choice, uint8_t proto);

/* Did this very process, not the one that it was forked from, claim a first listener? */
bool sks_claimed_here(void);

/* The socket is the instance's first listener of the protocol, if none was. */
void sks_claim(const struct sks_choice *choice, uint8_t proto);

#endif
