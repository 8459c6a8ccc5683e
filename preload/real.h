/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the way to the next bind(), listen() and so on in the server: libc's or another preload's. */
#ifndef SKSTEER_REAL_H
#define SKSTEER_REAL_H

#include <sys/socket.h>

/*
 * Looks all up now. Later another thread may hold the loader's lock and wait for the one that
 * binds.
 */
void sks_real_resolve(void);

/* Exactly as bind(2) and the others, errno included. Callable before any constructor has run. */
int sks_real_bind(int fd, const struct sockaddr *addr, socklen_t len);
int sks_real_listen(int fd, int backlog);
int sks_real_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
int sks_real_shutdown(int fd, int how);

#endif
