/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns sending by sockets that are steered to: an answer leaves from where was asked. */
#ifndef SKSTEER_ANSWER_H
#define SKSTEER_ANSWER_H

#include <sys/socket.h>

struct mmsghdr; /* which not all headers define alike */

#include "dgram.h"

/* As sendmsg(2), by the socket that the entry is about, whatever the server calls. */
ssize_t sks_answer(struct sks_dgram *dgram, int fd, const struct msghdr *msg, int flags);
/* As sendmmsg(2). */
int sks_answer_many(struct sks_dgram *dgram, int fd, struct mmsghdr *msgs, unsigned int n,
		    int flags);

#endif
