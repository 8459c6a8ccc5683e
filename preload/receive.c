/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns receiving from sockets that are steered to (see receive.h). */
#include "receive.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "../common/raw.h"
#include "control.h"
#include "real.h"

/*
 * A server's own buffer for control messages has room for ours from here on: all that can come
 * along with a datagram is less.
 */
#define OWN_ROOM 256
/* Messages that one call to the kernel takes, so that a server with little stack has enough. */
#define BATCH 16

/* Whether reply sockets are still wanted is looked at once in so many calls. */
#define LOOK_EVERY 256

/* What the kernel gets in the place of the server's buffers. */
struct stand_in {
	struct sockaddr_in6 name;
	_Alignas(struct cmsghdr) char control[OWN_ROOM + SKS_CONTROL_MORE];
};

/* The server's own buffers where they do, so that the kernel judges the pointers. */
static void prepare(struct msghdr *real, const struct msghdr *msg, int domain,
		    struct stand_in *stand_in)
{
	socklen_t need = domain == AF_INET ? sizeof(struct sockaddr_in)
					   : sizeof(struct sockaddr_in6);

	*real = *msg;
	if (!msg->msg_name || msg->msg_namelen < need) {
		real->msg_name = &stand_in->name;
		real->msg_namelen = sizeof(stand_in->name);
	}
	if (!msg->msg_control || msg->msg_controllen < OWN_ROOM) {
		size_t len = msg->msg_control ? msg->msg_controllen : 0;

		real->msg_control = stand_in->control;
		real->msg_controllen = len + SKS_CONTROL_MORE;
		/* What the server has not asked for takes no room from what it has. */
		if (real->msg_controllen < sizeof(stand_in->control))
			real->msg_controllen = sizeof(stand_in->control);
	}
}

static void return_name(const struct msghdr *real, struct msghdr *msg)
{
	if (!msg->msg_name)
		return;
	if (real->msg_name != msg->msg_name)
		memcpy(msg->msg_name, real->msg_name,
		       real->msg_namelen < msg->msg_namelen ? real->msg_namelen : msg->msg_namelen);
	msg->msg_namelen = real->msg_namelen;
}

/* May an answer leave by the server's own call, if nothing else was ever asked by that peer? */
static bool is_plain(const struct sks_dgram *dgram, const struct sks_endpoint *where)
{
	if (where->port != dgram->port)
		return false;
	return !sks_endpoint_is_source(where) || sks_endpoint_same_address(where, &dgram->bound);
}

/* What has come is the server's now; what it has not asked for is ours. */
static void finish(struct sks_dgram *dgram, int fd, const struct msghdr *real, struct msghdr *msg,
		   int flags)
{
	struct sks_origdst origdst = {
		.keep4 = dgram->flags & SKS_DGRAM_ASKED4,
		.keep6 = dgram->flags & SKS_DGRAM_ASKED6,
	};
	struct sks_endpoint peer;

	sks_control_receive(real, msg, &origdst);
	if (!(flags & MSG_ERRQUEUE)) {
		if (!origdst.found && !(real->msg_flags & MSG_CTRUNC))
			sks_dgram_forget(fd); /* another socket has taken its place */
		else if (origdst.found &&
			 sks_endpoint_from(&peer, real->msg_name, real->msg_namelen))
			sks_asked_note(sks_udp->asked, dgram->port, &peer, &origdst.where,
				       msg->msg_name, !is_plain(dgram, &origdst.where));
	}
	return_name(real, msg);
}

static void look_at_times(void)
{
	if (!(++sks_udp->receives % LOOK_EVERY))
		sks_reply_sockets_look(&sks_udp->replies);
}

/* Connected where it was asked: only what has moved over from the earlier socket has its name. */
static void name_peer(struct sks_dgram *dgram, int fd, struct msghdr *msg)
{
	struct sockaddr_storage addr;
	struct sks_endpoint peer;
	socklen_t len = sizeof(addr);

	if (!msg->msg_name || !sks_endpoint_from(&peer, msg->msg_name, msg->msg_namelen) ||
	    peer.port != dgram->port || !sks_dgram_holds(dgram, fd) ||
	    sks_raw(SYS_getpeername, fd, &addr, &len))
		return;
	memcpy(msg->msg_name, &addr, len < msg->msg_namelen ? len : msg->msg_namelen);
}

static ssize_t receive_connected(struct sks_dgram *dgram, int fd, struct msghdr *msg, int flags)
{
	ssize_t len = sks_real_recvmsg(fd, msg, flags);

	if (len >= 0)
		name_peer(dgram, fd, msg);
	return len;
}

ssize_t sks_receive(struct sks_dgram *dgram, int fd, struct msghdr *msg, int flags)
{
	struct stand_in stand_in;
	struct msghdr real;
	ssize_t len;

	if (dgram->flags & SKS_DGRAM_CONNECTED)
		return receive_connected(dgram, fd, msg, flags);
	look_at_times();
	prepare(&real, msg, sks_dgram_domain(dgram), &stand_in);
	len = sks_real_recvmsg(fd, &real, flags);
	if (len >= 0)
		finish(dgram, fd, &real, msg, flags);
	return len;
}

/* At most BATCH. */
static int receive_batch(struct sks_dgram *dgram, int fd, struct mmsghdr *msgs, unsigned int n,
			 int flags, struct timespec *timeout)
{
	struct stand_in stand_ins[BATCH];
	struct mmsghdr real[BATCH];
	int got;

	for (unsigned int i = 0; i < n; i++)
		prepare(&real[i].msg_hdr, &msgs[i].msg_hdr, sks_dgram_domain(dgram), &stand_ins[i]);
	got = sks_real_recvmmsg(fd, real, n, flags, timeout);
	for (int i = 0; i < got; i++) {
		finish(dgram, fd, &real[i].msg_hdr, &msgs[i].msg_hdr, flags);
		msgs[i].msg_len = real[i].msg_len;
	}
	return got;
}

static bool is_over(const struct timespec *timeout)
{
	return timeout && timeout->tv_sec <= 0 && timeout->tv_nsec <= 0;
}

static int receive_batches(struct sks_dgram *dgram, int fd, struct mmsghdr *msgs, unsigned int n,
			   int flags, struct timespec *timeout)
{
	unsigned int done = 0;
	int saved = errno;

	while (done < n) {
		unsigned int part = n - done < BATCH ? n - done : BATCH;
		int got = receive_batch(dgram, fd, msgs + done, part, flags, timeout);

		if (got < 0 && done) {
			errno = saved; /* as the kernel, which says it the next time, if at all */
			break;
		}
		if (got < 0)
			return got;
		done += (unsigned int)got;
		if ((unsigned int)got < part || is_over(timeout))
			break;
		/* MSG_WAITFORONE: there is one. */
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
	}
	return (int)done;
}

int sks_receive_many(struct sks_dgram *dgram, int fd, struct mmsghdr *msgs, unsigned int n,
		     int flags, struct timespec *timeout)
{
	int got;

	if (dgram->flags & SKS_DGRAM_CONNECTED) {
		got = sks_real_recvmmsg(fd, msgs, n, flags, timeout);
		for (int i = 0; i < got; i++)
			name_peer(dgram, fd, &msgs[i].msg_hdr);
		return got;
	}
	look_at_times();
	return n ? receive_batches(dgram, fd, msgs, n, flags, timeout)
		 : sks_real_recvmmsg(fd, msgs, n, flags, timeout);
}
