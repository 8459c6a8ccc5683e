/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns where the helper listens: at a path, and beside it by an abstract name (common/wire.h). */
#ifndef SKSTEER_LISTEN_H
#define SKSTEER_LISTEN_H

/*
 * A SOCK_SEQPACKET socket that listens at the path, for everybody. For whoever holds the path's
 * lock: a socket there at which nobody listens is removed. -EADDRINUSE: somebody does; -ENOTSOCK:
 * it is anything else. A CLOEXEC non-blocking descriptor the caller owns, or -errno.
 */
int sks_listen(const char *path);

/* Removes what sks_listen() has put there, while its descriptor is open; not what came instead. */
void sks_listen_end(const char *path);

/*
 * The same by the abstract name of that path, for those who do not see the path any more. -1: not
 * by us; the log says why, where that is not as it should be.
 */
int sks_listen_named(const char *path);

#endif
