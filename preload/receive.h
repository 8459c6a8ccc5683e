/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns receiving from sockets that are steered to: where each datagram was sent to is noted. */
#ifndef SKSTEER_RECEIVE_H
#define SKSTEER_RECEIVE_H

#include <sys/socket.h>
#include <time.h>

struct mmsghdr; /* which not all headers define alike */

#include "dgram.h"

#define SKS_IOV_MAX    1024	   /* UIO_MAXIOV: with more parts the kernel refuses */
#define SKS_LENGTH_MAX 0x7ffff000u /* MAX_RW_COUNT */

/* As recvmsg(2), of the socket that the entry is about, whatever the server calls. */
ssize_t sks_receive(struct sks_dgram *dgram, int fd, struct msghdr *msg, int flags);
/* As recvmmsg(2). */
int sks_receive_many(struct sks_dgram *dgram, int fd, struct mmsghdr *msgs, unsigned int n,
		     int flags, struct timespec *timeout);

/*
 * How long the datagram is that comes next; 0: there is none, or an empty one. As FIONREAD, which
 * says 0 of every socket that is in a map on Linux 6.12.117 and 6.18.44, and did not on 6.1.
 */
int sks_receive_next(int fd);

#endif
