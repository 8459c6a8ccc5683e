/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns sending by sockets that are steered to (see answer.h). */
#include "answer.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>

#include "../common/raw.h"
#include "control.h"
#include "real.h"

/* More of the server's own, and it goes as it is. */
#define CONTROL_ROOM 1024

#define OPT_FREEBIND6 78

static bool may_read(int fd, const struct msghdr *msg)
{
	return sks_dgram_may_read(fd, msg, sizeof(*msg)) && msg->msg_name &&
	       msg->msg_namelen <= sizeof(struct sockaddr_storage) &&
	       sks_dgram_may_read(fd, msg->msg_name, msg->msg_namelen) &&
	       (!msg->msg_control || sks_dgram_may_read(fd, msg->msg_control, msg->msg_controllen));
}

/* What the server sends in several pieces, or wants back, is its own socket's. */
static bool is_its_own(struct sks_dgram *dgram, int flags)
{
	bool continues = dgram->flags & SKS_DGRAM_PIECES;

	if (flags & MSG_MORE && !continues)
		dgram->flags |= SKS_DGRAM_PIECES;
	else if (continues && !(flags & MSG_MORE))
		dgram->flags &= ~SKS_DGRAM_PIECES;
	return continues || flags & (MSG_MORE | MSG_ZEROCOPY) || dgram->flags & SKS_DGRAM_CORKED;
}

enum sks_way sks_answer_choose(struct sks_dgram *dgram, int fd, const struct msghdr *msg, int flags,
			       struct sks_endpoint *ret_where)
{
	struct sks_hints hints = { 0 };
	struct sks_endpoint peer;

	ret_where->port = 0;
	if (is_its_own(dgram, flags) || !may_read(fd, msg) ||
	    !sks_endpoint_from(&peer, msg->msg_name, msg->msg_namelen))
		return SKS_AS_IT_IS;
	hints.name = msg->msg_name;
	hints.has_source = sks_control_source(msg, &hints.source);
	if (!sks_asked_find(sks_udp->asked, dgram->port, &peer, &hints, ret_where) ||
	    !sks_endpoint_is_source(ret_where))
		return SKS_AS_IT_IS;
	if (ret_where->port == dgram->port &&
	    (hints.has_source || sks_endpoint_same_address(ret_where, &dgram->bound)))
		return SKS_AS_IT_IS;
	if (!sks_dgram_holds(dgram, fd)) {
		sks_dgram_forget(fd);
		return SKS_AS_IT_IS;
	}
	return ret_where->port == dgram->port ? SKS_FROM_ADDRESS : SKS_FROM_PORT;
}

void sks_answer_given(const struct sks_dgram *dgram, const struct msghdr *msg,
		      const struct sks_endpoint *where)
{
	struct sks_endpoint peer;

	if (where->port && sks_endpoint_from(&peer, msg->msg_name, msg->msg_namelen))
		sks_asked_answered(sks_udp->asked, dgram->port, &peer, where, msg->msg_name);
}

/* It has failed, and may be tried again, shorter or later: what the peer has asked still waits. */
static void take_back(const struct sks_dgram *dgram, const struct msghdr *msg,
		      const struct sks_endpoint *where)
{
	struct sks_endpoint peer;

	if (where->port && sks_endpoint_from(&peer, msg->msg_name, msg->msg_namelen))
		sks_asked_note(sks_udp->asked, dgram->port, &peer, where, msg->msg_name, false);
}

static long send_from(int sock, const struct msghdr *msg, const struct sks_endpoint *where,
		      int flags)
{
	_Alignas(struct cmsghdr) char control[CONTROL_ROOM];
	struct msghdr real = *msg;

	real.msg_control = control;
	real.msg_controllen = sks_control_send(msg, where, control, sizeof(control));
	return real.msg_controllen ? sks_raw(SYS_sendmsg, sock, &real, flags) : -EOPNOTSUPP;
}

/* By the server's own socket. An IPv6 address that is local by a route alone has to be allowed. */
static long send_from_address(int fd, const struct msghdr *msg, const struct sks_endpoint *where,
			      int flags)
{
	long ret = send_from(fd, msg, where, flags);
	int one = 1;

	if (ret == -EINVAL && !sks_endpoint_is_v4(where) &&
	    !sks_raw(SYS_setsockopt, fd, IPPROTO_IPV6, OPT_FREEBIND6, &one, sizeof(one)))
		ret = send_from(fd, msg, where, flags);
	return ret;
}

static int timeout_of(int fd)
{
	struct timeval value = { 0 };
	socklen_t len = sizeof(value);

	if (sks_raw(SYS_getsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &value, &len) ||
	    (!value.tv_sec && !value.tv_usec))
		return -1;
	return (int)(value.tv_sec * 1000 + value.tv_usec / 1000);
}

/* Its buffer is full. 0: there is room again, for a server that would have waited; or -errno. */
static long await_room(int fd, int sock, int flags)
{
	struct pollfd room = { .fd = sock, .events = POLLOUT };
	long mode = sks_raw(SYS_fcntl, fd, F_GETFL), n;

	if (flags & MSG_DONTWAIT || mode < 0 || mode & O_NONBLOCK)
		return -EAGAIN;
	n = sks_poll(&room, 1, timeout_of(fd));
	return n > 0 ? 0 : n ? n : -EAGAIN;
}

static bool is_broken(long err)
{
	return err == -ECONNABORTED || err == -EBADF || err == -ENOTSOCK || err == -EDESTADDRREQ;
}

/*
 * What says that there is no such source, or no socket for it. All else is the server's to know: an
 * error that waited in the socket is told only once.
 */
static bool is_no_way(long err)
{
	switch (err) {
	case -EADDRNOTAVAIL:
	case -EINVAL:
	case -ENETUNREACH:
	case -ENOTCONN:
	case -EOPNOTSUPP:
		return true;
	default:
		return is_broken(err);
	}
}

/* An answer from where it is bound, with nothing else to be said, is as simple as the server's. */
static long send_by(const struct sks_reply_socket *reply, const struct msghdr *msg,
		    const struct sks_endpoint *where, int flags)
{
	if (!msg->msg_controllen && sks_endpoint_same_address(&reply->where, where))
		return sks_raw(SYS_sendmsg, reply->fd, msg, flags);
	return send_from(reply->fd, msg, where, flags);
}

/* By a reply socket; one that was taken back meanwhile is asked for once more. */
static long send_from_port(struct sks_dgram *dgram, int fd, const struct msghdr *msg,
			   const struct sks_endpoint *where, int flags)
{
	long ret = -ENOTCONN;

	for (int tries = 0; tries < 2; tries++) {
		struct sks_reply_socket *reply = sks_reply_socket_get(dgram, fd, where);

		if (!reply)
			return -ENOTCONN;
		while ((ret = send_by(reply, msg, where, flags)) == -EAGAIN) {
			ret = await_room(fd, reply->fd, flags);
			if (ret)
				break;
		}
		sks_reply_socket_put(reply, is_broken(ret));
		if (!is_broken(ret))
			break;
	}
	return ret;
}

static ssize_t answer(struct sks_dgram *dgram, int fd, const struct msghdr *msg, int flags,
		      enum sks_way way, const struct sks_endpoint *where)
{
	long ret = -EOPNOTSUPP;

	if (way == SKS_FROM_ADDRESS)
		ret = send_from_address(fd, msg, where, flags);
	else if (way == SKS_FROM_PORT)
		ret = send_from_port(dgram, fd, msg, where, flags);
	if (is_no_way(ret))
		return sks_real_sendmsg(fd, msg, flags);
	if (ret < 0) {
		errno = (int)-ret;
		return -1;
	}
	return (ssize_t)ret;
}

ssize_t sks_answer(struct sks_dgram *dgram, int fd, const struct msghdr *msg, int flags)
{
	struct sks_endpoint where;
	enum sks_way way = sks_answer_choose(dgram, fd, msg, flags, &where);
	ssize_t len;

	/* Before the peer has it, and asks anew. */
	sks_answer_given(dgram, msg, &where);
	len = answer(dgram, fd, msg, flags, way, &where);
	if (len < 0)
		take_back(dgram, msg, &where);
	return len;
}
