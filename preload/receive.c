/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns receiving from sockets that are steered to (see receive.h). */
#include "receive.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "../common/raw.h"
#include "control.h"
#include "fd.h"
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
	struct iovec iov;
	_Alignas(struct cmsghdr) char control[OWN_ROOM + SKS_CONTROL_MORE];
	struct sockaddr_in6 name;
	char byte;
};

/* Of no room at all? Then a socket that is in a socket map would say 0, and keep the datagram. */
static bool is_empty(int fd, const struct msghdr *msg)
{
	if (msg->msg_iovlen > SKS_IOV_MAX ||
	    !sks_dgram_may_read(fd, msg->msg_iov, msg->msg_iovlen * sizeof(*msg->msg_iov)))
		return false;				       /* the kernel's to refuse */
	for (size_t i = 0; i < (size_t)msg->msg_iovlen; i++) { /* musl's is an int */
		if (msg->msg_iov[i].iov_len)
			return false;
	}
	return true;
}

static void replace_room(struct msghdr *real, struct stand_in *stand_in)
{
	stand_in->iov = (struct iovec){ &stand_in->byte, sizeof(stand_in->byte) };
	real->msg_iov = &stand_in->iov;
	real->msg_iovlen = 1;
}

/* The server's own buffers where they do, so that the kernel judges the pointers. */
static void prepare(int fd, struct msghdr *real, const struct msghdr *msg, int domain,
		    struct stand_in *stand_in)
{
	socklen_t need = domain == AF_INET ? sizeof(struct sockaddr_in)
					   : sizeof(struct sockaddr_in6);

	*real = *msg;
	if (!msg->msg_name || msg->msg_namelen < need) {
		real->msg_name = &stand_in->name;
		real->msg_namelen = sizeof(stand_in->name);
	}
	/* What the server has not asked for takes no room from what it has. */
	if (!msg->msg_control || msg->msg_controllen < OWN_ROOM ||
	    !sks_dgram_may_read(fd, msg->msg_control, msg->msg_controllen)) {
		real->msg_control = stand_in->control;
		real->msg_controllen = sizeof(stand_in->control);
	}
	if (is_empty(fd, msg))
		replace_room(real, stand_in);
}

static void return_name(int fd, const struct msghdr *real, struct msghdr *msg)
{
	socklen_t len = real->msg_namelen < msg->msg_namelen ? real->msg_namelen : msg->msg_namelen;

	if (!msg->msg_name)
		return;
	if (real->msg_name != msg->msg_name && sks_dgram_may_read(fd, msg->msg_name, len))
		memcpy(msg->msg_name, real->msg_name, len);
	msg->msg_namelen = real->msg_namelen;
}

/* Where the control messages are to go, and nothing can, the kernel says nothing of it either. */
static void return_control(int fd, const struct msghdr *real, struct msghdr *msg,
			   struct sks_origdst *origdst)
{
	struct msghdr nowhere = { 0 };

	if (!msg->msg_control || real->msg_control == msg->msg_control ||
	    sks_dgram_may_read(fd, msg->msg_control, msg->msg_controllen)) {
		sks_control_receive(real, msg, origdst);
		return;
	}
	sks_control_receive(real, &nowhere, origdst);
	msg->msg_controllen = 0;
	msg->msg_flags = real->msg_flags;
}

/* As if there had been no room. The length, as recvmsg(2) says it. */
static ssize_t return_length(ssize_t len, const struct msghdr *real, struct msghdr *msg, int flags)
{
	if (real->msg_iov == msg->msg_iov || !len)
		return len;
	msg->msg_flags |= MSG_TRUNC;
	return flags & MSG_TRUNC ? len : 0;
}

/* May an answer leave by the server's own call, if nothing else was ever asked by that peer? */
static bool is_plain(const struct sks_dgram *dgram, const struct sks_endpoint *where)
{
	if (where->port != dgram->port)
		return false;
	return !sks_endpoint_is_source(where) || sks_endpoint_same_address(where, &dgram->bound);
}

static void note(struct sks_dgram *dgram, int fd, const struct msghdr *real,
		 const struct msghdr *msg, const struct sks_origdst *origdst)
{
	struct sks_endpoint peer;

	if (!origdst->found && !(real->msg_flags & MSG_CTRUNC)) {
		sks_dgram_forget(fd); /* another socket has taken its place */
		return;
	}
	if (!origdst->found || !sks_endpoint_from(&peer, real->msg_name, real->msg_namelen))
		return;
	if (!(dgram->flags & SKS_DGRAM_ASKER))
		dgram->flags |= SKS_DGRAM_ASKER;
	sks_asked_note(sks_udp->asked, dgram->port, &peer, &origdst->where, msg->msg_name,
		       !is_plain(dgram, &origdst->where));
}

/* What has come is the server's now; what it has not asked for is ours. Returns the length. */
static ssize_t finish(struct sks_dgram *dgram, int fd, ssize_t len, const struct msghdr *real,
		      struct msghdr *msg, int flags)
{
	struct sks_origdst origdst = {
		.keep4 = dgram->flags & SKS_DGRAM_ASKED4,
		.keep6 = dgram->flags & SKS_DGRAM_ASKED6,
	};

	return_control(fd, real, msg, &origdst);
	if (!(flags & MSG_ERRQUEUE) && !sks_sandboxed)
		note(dgram, fd, real, msg, &origdst);
	return_name(fd, real, msg);
	return return_length(len, real, msg, flags);
}

static void look_at_times(void)
{
	if (!sks_sandboxed && !(++sks_udp->receives % LOOK_EVERY))
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

	if (dgram->flags & SKS_DGRAM_CONNECTED && !sks_sandboxed)
		return receive_connected(dgram, fd, msg, flags);
	if (!sks_dgram_may_read(fd, msg, sizeof(*msg)))
		return sks_real_recvmsg(fd, msg, flags);
	look_at_times();
	prepare(fd, &real, msg, sks_dgram_domain(dgram), &stand_in);
	len = sks_real_recvmsg(fd, &real, flags);
	if (len < 0 && errno == ENOTSOCK)
		sks_dgram_forget(fd);
	return len < 0 ? len : finish(dgram, fd, len, &real, msg, flags);
}

/* At most BATCH. */
static int receive_batch(struct sks_dgram *dgram, int fd, struct mmsghdr *msgs, unsigned int n,
			 int flags, struct timespec *timeout)
{
	struct stand_in stand_ins[BATCH];
	struct mmsghdr real[BATCH];
	int got;

	for (unsigned int i = 0; i < n; i++)
		prepare(fd, &real[i].msg_hdr, &msgs[i].msg_hdr, sks_dgram_domain(dgram),
			&stand_ins[i]);
	got = sks_real_recvmmsg(fd, real, n, flags, timeout);
	for (int i = 0; i < got; i++)
		msgs[i].msg_len = (unsigned int)finish(dgram, fd, real[i].msg_len, &real[i].msg_hdr,
						       &msgs[i].msg_hdr, flags);
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
		int got;

		/* The kernel would have come so far as well, and no further. */
		if (!sks_dgram_may_read(fd, msgs + done, part * sizeof(*msgs)))
			break;
		got = receive_batch(dgram, fd, msgs + done, part, flags, timeout);

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

	if (dgram->flags & SKS_DGRAM_CONNECTED && !sks_sandboxed) {
		got = sks_real_recvmmsg(fd, msgs, n, flags, timeout);
		for (int i = 0; i < got; i++)
			name_peer(dgram, fd, &msgs[i].msg_hdr);
		return got;
	}
	if (!sks_dgram_may_read(fd, msgs, (n < BATCH ? n : BATCH) * sizeof(*msgs)))
		return sks_real_recvmmsg(fd, msgs, n, flags, timeout);
	look_at_times();
	return n ? receive_batches(dgram, fd, msgs, n, flags, timeout)
		 : sks_real_recvmmsg(fd, msgs, n, flags, timeout);
}

int sks_receive_next(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	int next = 0;
	char byte;
	long len;

	if (sks_raw(SYS_ioctl, fd, FIONREAD, &next) || next)
		return next;
	/* A look takes an error that the server has not been told of, and moves its SO_PEEK_OFF. */
	if (sks_poll(&ready, 1, 0) <= 0 || ready.revents & POLLERR ||
	    sks_fd_option(fd, SO_PEEK_OFF) >= 0)
		return 0;
	len = sks_raw(SYS_recvfrom, fd, &byte, 1, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT, NULL, NULL);
	return len > 0 ? (int)len : 0;
}
