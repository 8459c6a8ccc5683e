/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns sending many datagrams at once by sockets that are steered to: those in a row that leave
 * from the same port are one call to the kernel.
 */
#include <errno.h>
#include <netinet/in.h>

#include "../common/raw.h"
#include "answer.h"
#include "control.h"
#include "real.h"

#define BATCH	     16
#define MESSAGES_MAX 1024 /* the kernel takes no more at once */
#define CONTROL_ROOM 192  /* with more of the server's own a message goes alone */

struct run {
	enum sks_way way;
	unsigned int n;
	struct sks_endpoint where[BATCH];
};

static bool is_alone(const struct msghdr *msg)
{
	return msg->msg_controllen + SKS_CONTROL_MORE > CONTROL_ROOM;
}

/* From the same reply socket? */
static bool belongs(const struct sks_endpoint *a, const struct sks_endpoint *b)
{
	return a->port == b->port && a->scope == b->scope &&
	       sks_endpoint_is_v4(a) == sks_endpoint_is_v4(b);
}

/* The first messages, at least one, that go the same way. */
static void find_run(struct sks_dgram *dgram, int fd, const struct mmsghdr *msgs, unsigned int n,
		     int flags, struct run *ret_run)
{
	struct sks_endpoint *where = ret_run->where;
	unsigned int i = 1;

	ret_run->way = sks_answer_choose(dgram, fd, &msgs[0].msg_hdr, flags, &where[0]);
	while (i < n && i < BATCH && ret_run->way != SKS_FROM_ADDRESS &&
	       (ret_run->way == SKS_AS_IT_IS || !is_alone(&msgs[i].msg_hdr)) &&
	       sks_answer_choose(dgram, fd, &msgs[i].msg_hdr, flags, &where[i]) == ret_run->way &&
	       (ret_run->way == SKS_AS_IT_IS || belongs(&where[0], &where[i])))
		i++;
	ret_run->n = i;
}

/* How many, or -errno. */
static long send_run(struct sks_dgram *dgram, int fd, struct mmsghdr *msgs, const struct run *run,
		     int flags)
{
	_Alignas(struct cmsghdr) char control[BATCH][CONTROL_ROOM];
	struct sks_reply_socket *reply = sks_reply_socket_get(dgram, fd, &run->where[0]);
	struct mmsghdr real[BATCH];
	bool malformed = false;
	long sent;

	if (!reply)
		return -ENOTCONN;
	for (unsigned int i = 0; i < run->n; i++) {
		struct msghdr *msg;

		real[i] = msgs[i];
		msg = &real[i].msg_hdr;
		msg->msg_controllen = sks_control_send(&msgs[i].msg_hdr, &run->where[i], control[i],
						       sizeof(control[i]));
		msg->msg_control = control[i];
		malformed |= !msg->msg_controllen;
	}
	sent = malformed ? -EOPNOTSUPP : sks_raw(SYS_sendmmsg, reply->fd, real, run->n, flags);
	for (long i = 0; i < sent; i++) {
		msgs[i].msg_len = real[i].msg_len;
		sks_answer_given(dgram, &msgs[i].msg_hdr, &run->where[i]);
	}
	sks_reply_socket_put(reply, false);
	return sent;
}

static int send_as_it_is(struct sks_dgram *dgram, int fd, struct mmsghdr *msgs,
			 const struct run *run, int flags)
{
	int sent = sks_real_sendmmsg(fd, msgs, run->n, flags);

	for (int i = 0; i < sent; i++)
		sks_answer_given(dgram, &msgs[i].msg_hdr, &run->where[i]);
	return sent;
}

/* What has to be waited for, or asked for anew, is seen to one message after the other. */
static int send_first(struct sks_dgram *dgram, int fd, struct mmsghdr *msg, int flags)
{
	ssize_t len = sks_answer(dgram, fd, &msg->msg_hdr, flags);

	if (len < 0)
		return -1;
	msg->msg_len = (unsigned int)len;
	return 1;
}

static int send_some(struct sks_dgram *dgram, int fd, struct mmsghdr *msgs, unsigned int n,
		     int flags)
{
	struct run run = { .n = 0 };
	long sent = -1;

	if (!sks_dgram_may_read(fd, msgs, (n < BATCH ? n : BATCH) * sizeof(*msgs)))
		return sks_real_sendmmsg(fd, msgs, n, flags);
	find_run(dgram, fd, msgs, n, flags, &run);
	if (run.way == SKS_AS_IT_IS)
		return send_as_it_is(dgram, fd, msgs, &run, flags);
	if (run.way == SKS_FROM_PORT && run.n > 1)
		sent = send_run(dgram, fd, msgs, &run, flags);
	return sent > 0 ? (int)sent : send_first(dgram, fd, msgs, flags);
}

int sks_answer_many(struct sks_dgram *dgram, int fd, struct mmsghdr *msgs, unsigned int n,
		    int flags)
{
	unsigned int done = 0;
	int saved = errno;

	if (n > MESSAGES_MAX)
		n = MESSAGES_MAX;
	while (done < n) {
		int sent = send_some(dgram, fd, msgs + done, n - done, flags);

		if (sent < 0 && done) {
			errno = saved; /* the next call says it */
			break;
		}
		if (sent < 0)
			return -1;
		done += (unsigned int)sent;
	}
	return (int)done;
}
