/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns connect(2) of a socket that is steered to (see connect.h). */
#include "connect.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>

#include "../common/raw.h"
#include "control.h"
#include "fd.h"
#include "memory.h"
#include "reply_socket.h"

#define DATAGRAM (64 * 1024) /* none is longer */
#define MESSAGES 512	     /* of control that come along with one */
#define WAITING	 64	     /* that are moved at once */
#define ROUNDS	 3	     /* something may come while the rest is moved */
#define ARRIVE	 20	     /* naps of 0.1 ms for what is passed on: then it is lost */
#define NAPS	 500	     /* of 0.1 ms: then whoever has the turn was killed, or is stopped */

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

/* Changes with each datagram that comes to the socket, kept or dropped. */
static uint64_t arrivals(int sock)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(info);

	(void)sks_raw(SYS_getsockopt, sock, SOL_SOCKET, SO_MEMINFO, info, &len);
	return (uint64_t)info[SK_MEMINFO_RMEM_ALLOC] << 32 | info[SK_MEMINFO_DROPS];
}

/*
 * From the server's socket, by its own address, to the one that takes its place. A busy kernel may
 * take its time on the loopback, too: what comes when that one is connected elsewhere is lost, or
 * another one's.
 */
static void pass_on(const struct move *move, size_t len)
{
	_Alignas(struct cmsghdr) char control[SKS_CONTROL_MORE];
	struct sockaddr_storage addr;
	struct iovec iov = { .iov_base = move->buf, .iov_len = len };
	struct msghdr msg = { .msg_name = &addr, .msg_iov = &iov, .msg_iovlen = 1 };
	uint64_t before = arrivals(move->sock);

	msg.msg_namelen = sks_endpoint_to(&move->where, sks_dgram_domain(move->dgram), &addr);
	msg.msg_controllen = sks_control_send(&msg, &move->where, control, sizeof(control));
	msg.msg_control = control;
	if (sks_raw(SYS_sendmsg, move->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
	for (int naps = 0; naps < ARRIVE && arrivals(move->sock) == before; naps++)
		sks_pause_us(100);
}

/* Is the next one that waits the peer's, and was it sent to where it is connected from? */
static bool is_peers(const struct move *move)
{
	_Alignas(struct cmsghdr) char control[MESSAGES];
	struct iovec iov = { .iov_base = move->buf, .iov_len = 1 };
	struct sks_origdst origdst = { 0 };
	struct sockaddr_storage addr;
	struct sks_endpoint from;
	struct msghdr nowhere = { 0 }, msg = {
		.msg_name = &addr,
		.msg_namelen = sizeof(addr),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};

	if (sks_raw(SYS_recvmsg, move->fd, &msg, MSG_DONTWAIT | MSG_PEEK) < 0)
		return false;
	sks_control_receive(&msg, &nowhere, &origdst);
	return sks_endpoint_from(&from, &addr, msg.msg_namelen) &&
	       sks_endpoint_equal(&from, &move->peer) && origdst.found &&
	       sks_endpoint_equal(&origdst.where, &move->where);
}

/*
 * What the peer has sent is passed on, in order, up to the first datagram that is another one's, or
 * was sent elsewhere: who has the same socket, a parent that listens on, still gets that. Returns
 * how many.
 */
static unsigned int drain(const struct move *move)
{
	unsigned int n = 0;

	for (; n < WAITING && is_peers(move); n++) {
		long len = sks_raw(SYS_recvfrom, move->fd, move->buf, DATAGRAM, MSG_DONTWAIT, NULL,
				   NULL);

		if (len < 0)
			break;
		pass_on(move, (size_t)len);
	}
	return n;
}

/* The server's own port, at the address that was asked: from there nobody else sends. */
static struct sks_endpoint own_port(const struct move *move)
{
	struct sks_endpoint self = move->where;

	self.port = move->dgram->port;
	return self;
}

/*
 * Two sockets at one address that are both connected to the server's own port are one to the
 * kernel: what is passed on to the first could come to the second, which is another peer's. So of
 * the threads, and the processes that fork(2) made, one moves at a time.
 */
static uint32_t await_turn(void)
{
	uint32_t me = (uint32_t)sks_raw(SYS_gettid), nobody;
	_Atomic uint32_t *turn = sks_asked_turn(sks_udp->asked);

	for (int naps = 0; naps < NAPS; naps++) {
		nobody = 0;
		if (atomic_compare_exchange_strong(turn, &nobody, me))
			return me;
		sks_pause_us(100);
	}
	*turn = me;
	return me;
}

static void end_turn(uint32_t me)
{
	(void)atomic_compare_exchange_strong(sks_asked_turn(sks_udp->asked), &me, 0);
}

/* From when it is connected to the peer, nothing more comes to the other one. */
static bool move_all(const struct move *move)
{
	const struct sks_endpoint self = own_port(move);
	int domain = sks_dgram_domain(move->dgram);
	unsigned int n = 1;

	for (int i = 0; n && i < ROUNDS; i++) {
		if (!connect_to(move->sock, domain, &self))
			return false;
		n = drain(move);
		if (!connect_to(move->sock, domain, &move->peer))
			return false;
	}
	return true;
}

/* Who is to have a signal when something comes, and which. */
static void copy_owner(int from, int to)
{
	struct f_owner_ex owner;
	long sig = sks_raw(SYS_fcntl, from, F_GETSIG);

	if (!sks_raw(SYS_fcntl, from, F_GETOWN_EX, &owner) && owner.pid)
		(void)sks_raw(SYS_fcntl, to, F_SETOWN_EX, &owner);
	if (sig > 0)
		(void)sks_raw(SYS_fcntl, to, F_SETSIG, sig);
}

/* sock takes fd's place: blocking or not, inherited or not, in epoll or not, as that is. */
static bool replace(const struct sks_dgram *dgram, int fd, int sock)
{
	long flags = sks_raw(SYS_fcntl, fd, F_GETFD), mode = sks_raw(SYS_fcntl, fd, F_GETFL);
	struct epoll_event event = { .events = dgram->epoll_events };

	copy_owner(fd, sock);
	if (flags < 0 || mode < 0 || sks_raw(SYS_fcntl, sock, F_SETFL, mode) ||
	    sks_raw(SYS_dup3, sock, fd, flags & FD_CLOEXEC ? O_CLOEXEC : 0) < 0)
		return false;
	event.data.u64 = dgram->epoll_data;
	if (dgram->epoll)
		(void)sks_raw(SYS_epoll_ctl, dgram->epoll, EPOLL_CTL_ADD, fd, &event);
	return true;
}

static bool move_over(struct move *move)
{
	bool done = false;
	uint32_t me;

	move->buf = sks_memory_map(DATAGRAM, MAP_PRIVATE);
	if (!move->buf)
		return false;
	me = await_turn();
	done = move_all(move);
	end_turn(me);
	done = done && replace(move->dgram, move->fd, move->sock);
	(void)sks_raw(SYS_munmap, move->buf, DATAGRAM);
	return done;
}

/*
 * A forked child of who bound it, and not who goes on in the background: the number of a process
 * that has ended may be another one's by now.
 */
static bool is_child(const struct sks_dgram *dgram)
{
	return sks_raw(SYS_getppid) == dgram->pid;
}

/*
 * A descriptor more of the server's own socket, or 0. A child that connects it (socat's) has done
 * so for good: what it kept would be registered as long as it lives.
 */
static int keep(const struct sks_dgram *dgram, int fd)
{
	long kept;

	if (!(dgram->flags & SKS_DGRAM_ASKER) || is_child(dgram))
		return 0;
	kept = sks_raw(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);
	return kept < 0 ? 0 : sks_reply_socket_move_up((int)kept);
}

/*
 * Nothing is to be steered to what is kept, and the kernel steers to no socket that is connected.
 * Not to the peer, who may ask at the own port next, from the same one of its own.
 */
static void put_aside(const struct move *move, int kept, bool done)
{
	const struct sks_endpoint self = own_port(move);

	if (!kept)
		return;
	if (!done || !connect_to(kept, sks_dgram_domain(move->dgram), &self))
		(void)sks_raw(SYS_close, kept);
}

/* What the peer has asked, where the kernel would not find the socket by itself. */
static bool is_steered(const struct sks_dgram *dgram, const struct sks_endpoint *where)
{
	if (!sks_endpoint_is_source(where))
		return false;
	return where->port != dgram->port || (!(dgram->flags & SKS_DGRAM_WILDCARD) &&
					      !sks_endpoint_same_address(where, &dgram->bound));
}

bool sks_connect(struct sks_dgram *dgram, int fd, const struct sockaddr *addr, socklen_t len)
{
	const struct sks_hints hints = { .name = addr };
	struct move move = { .dgram = dgram, .fd = fd };
	bool yields, done;
	int kept;

	if (!addr || len > sizeof(struct sockaddr_storage) || !sks_dgram_may_read(fd, addr, len) ||
	    !sks_endpoint_from(&move.peer, addr, len) ||
	    !sks_asked_find(sks_udp->asked, dgram->port, &move.peer, &hints, &move.where) ||
	    !is_steered(dgram, &move.where))
		return false;
	if (!sks_dgram_holds(dgram, fd)) {
		sks_dgram_forget(fd);
		return false;
	}
	move.sock = sks_reply_socket_make(dgram, fd, &move.where, &move.peer, &yields);
	if (move.sock < 0)
		return false;
	kept = keep(dgram, fd);
	done = move_over(&move);
	put_aside(&move, kept, done);
	(void)sks_raw(SYS_close, move.sock);
	if (done)
		sks_dgram_connected(fd, kept && sks_fd_cookie(kept) == dgram->cookie ? kept : 0);
	return done;
}

void sks_connect_back(struct sks_dgram *dgram, int fd)
{
	const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	int original = dgram->original;

	if (!original || !sks_dgram_holds(dgram, fd) ||
	    sks_fd_cookie(original) != dgram->original_cookie)
		return;
	(void)sks_raw(SYS_connect, original, &nobody, sizeof(nobody));
	if (!replace(dgram, fd, original))
		return;
	(void)sks_raw(SYS_close, original);
	sks_dgram_restored(fd);
}

void sks_connect_polled(struct sks_dgram *dgram, int epoll, int op, const struct epoll_event *event)
{
	dgram->epoll = op == EPOLL_CTL_DEL ? 0 : epoll;
	if (op == EPOLL_CTL_DEL)
		return;
	dgram->epoll_events = event->events;
	dgram->epoll_data = event->data.u64;
}
