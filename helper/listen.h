/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns where the helper listens: at a path, and beside it by an abstract name (common/wire.h). */
#ifndef SKSTEER_LISTEN_H
#define SKSTEER_LISTEN_H

/*
 * A SOCK_SEQPACKET socket that listens at the path, for everybody; what lay there is removed, which
 * is for whoever holds the path's lock. A CLOEXEC non-blocking descriptor the caller owns, or
 * -errno.
 */
int sks_listen(const char *path);

/*
 * The same by the abstract name of that path, for those who do not see the path any more. -1: not
 * by us; the log says why, where that is not as it should be.
 */
int sks_listen_named(const char *path);

#endif
