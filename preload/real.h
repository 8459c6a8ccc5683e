/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the way to the next bind() and listen() in the server: libc's, or another preload's. */
#ifndef SKSTEER_REAL_H
#define SKSTEER_REAL_H

#include <sys/socket.h>

/* Exactly as bind(2) and listen(2), errno included. Callable before any constructor has run. */
/*
 * Looks both up now. Later another thread may hold the loader's lock and wait for the one that
 * binds.
 */
void sks_real_resolve(void);

int sks_real_bind(int fd, const struct sockaddr *addr, socklen_t len);
int sks_real_listen(int fd, int backlog);

#endif
