/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns sending by sockets that are steered to: an answer leaves from where was asked. */
#ifndef SKSTEER_ANSWER_H
#define SKSTEER_ANSWER_H

#include <sys/socket.h>

struct mmsghdr; /* which not all headers define alike */

#include "dgram.h"

enum sks_way {
	SKS_AS_IT_IS,	  /* by the server's own call */
	SKS_FROM_ADDRESS, /* by the server's own socket, from the address that was asked */
	SKS_FROM_PORT,	  /* by a reply socket */
};

/* How a message is to go, and where that was asked; port 0: that is not known. */
enum sks_way sks_answer_choose(struct sks_dgram *dgram, int fd, const struct msghdr *msg, int flags,
			       struct sks_endpoint *ret_where);
/* It is answered so. */
void sks_answer_given(const struct sks_dgram *dgram, const struct msghdr *msg,
		      const struct sks_endpoint *where);

/* As sendmsg(2), by the socket that the entry is about, whatever the server calls. */
ssize_t sks_answer(struct sks_dgram *dgram, int fd, const struct msghdr *msg, int flags);
/* As sendmmsg(2). */
int sks_answer_many(struct sks_dgram *dgram, int fd, struct mmsghdr *msgs, unsigned int n,
		    int flags);

#endif
