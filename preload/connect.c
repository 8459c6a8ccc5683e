/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns connect(2) of a socket that is steered to (see connect.h). */
#include "connect.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>

#include "../common/raw.h"
#include "control.h"
#include "memory.h"
#include "reply_socket.h"

#define DATAGRAM (64 * 1024) /* none is longer */
#define ROUNDS	 3	     /* something may come while the rest is moved */

/* What waits in the server's socket when it is replaced. */
struct move {
	struct sks_dgram *dgram;
	int fd, sock;
	struct sks_endpoint peer, where;
	char *buf;
};

static bool connect_to(int sock, int domain, const struct sks_endpoint *end)
{
	struct sockaddr_storage addr;
	socklen_t len = sks_endpoint_to(end, domain, &addr);

	return !sks_raw(SYS_connect, sock, &addr, len);
}

/* From the server's socket, by its own address, to the one that takes its place. */
static void pass_on(const struct move *move, size_t len)
{
	_Alignas(struct cmsghdr) char control[SKS_CONTROL_MORE];
	struct sockaddr_storage addr;
	struct iovec iov = { .iov_base = move->buf, .iov_len = len };
	struct msghdr msg = { .msg_name = &addr, .msg_iov = &iov, .msg_iovlen = 1 };

	msg.msg_namelen = sks_endpoint_to(&move->where, sks_dgram_domain(move->dgram), &addr);
	msg.msg_controllen = sks_control_send(&msg, &move->where, control, sizeof(control));
	msg.msg_control = control;
	(void)sks_raw(SYS_sendmsg, move->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/*
 * Whatever waits is taken out; what is the peer's is passed on, in order. Others' datagrams are not
 * for a socket that is connected. Returns how many were the peer's.
 */
static unsigned int drain(const struct move *move)
{
	struct sockaddr_storage addr;
	struct sks_endpoint from;
	unsigned int n = 0;

	for (;;) {
		socklen_t addr_len = sizeof(addr);
		long len = sks_raw(SYS_recvfrom, move->fd, move->buf, DATAGRAM, MSG_DONTWAIT, &addr,
				   &addr_len);

		if (len < 0 && len != -EINTR)
			return n;
		if (len < 0 || !sks_endpoint_from(&from, &addr, addr_len) ||
		    !sks_endpoint_equal(&from, &move->peer))
			continue;
		pass_on(move, (size_t)len);
		n++;
	}
}

/* From when it is connected to the peer, nothing more comes to the other one. */
static bool move_all(const struct move *move)
{
	struct sks_endpoint self = move->where;
	int domain = sks_dgram_domain(move->dgram);
	unsigned int n = 1;

	self.port = move->dgram->port;
	for (int i = 0; n && i < ROUNDS; i++) {
		if (!connect_to(move->sock, domain, &self))
			return false;
		n = drain(move);
		if (!connect_to(move->sock, domain, &move->peer))
			return false;
	}
	return true;
}

/* Blocking or not, inherited or not, as the server's socket. */
static bool replace(int fd, int sock)
{
	long flags = sks_raw(SYS_fcntl, fd, F_GETFD), mode = sks_raw(SYS_fcntl, fd, F_GETFL);

	return flags >= 0 && mode >= 0 && !sks_raw(SYS_fcntl, sock, F_SETFL, mode) &&
	       sks_raw(SYS_dup3, sock, fd, flags & FD_CLOEXEC ? O_CLOEXEC : 0) >= 0;
}

static bool move_over(struct move *move)
{
	bool done = false;

	move->buf = sks_memory_map(DATAGRAM, MAP_PRIVATE);
	if (!move->buf)
		return false;
	done = move_all(move) && replace(move->fd, move->sock);
	(void)sks_raw(SYS_munmap, move->buf, DATAGRAM);
	return done;
}

bool sks_connect(struct sks_dgram *dgram, int fd, const struct sockaddr *addr, socklen_t len)
{
	const struct sks_hints hints = { .name = addr };
	struct move move = { .dgram = dgram, .fd = fd };
	bool yields, done;

	if (!addr || !sks_endpoint_from(&move.peer, addr, len) ||
	    !sks_asked_find(sks_udp->asked, dgram->port, &move.peer, &hints, &move.where) ||
	    !sks_endpoint_is_source(&move.where))
		return false;
	/* The kernel finds it there itself. */
	if (move.where.port == dgram->port &&
	    (dgram->flags & SKS_DGRAM_WILDCARD ||
	     sks_endpoint_same_address(&move.where, &dgram->bound)))
		return false;
	if (!sks_dgram_holds(dgram, fd)) {
		sks_dgram_forget(fd);
		return false;
	}
	move.sock = sks_reply_socket_make(dgram, fd, &move.where, &move.peer, &yields);
	if (move.sock < 0)
		return false;
	done = move_over(&move);
	(void)sks_raw(SYS_close, move.sock);
	if (done)
		sks_dgram_connected(fd);
	return done;
}
