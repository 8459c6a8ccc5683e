/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns reply sockets (see reply_socket.h). */
#include "reply_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "../common/raw.h"
#include "config.h"
#include "dgram.h"
#include "fd.h"
#include "offer.h"
#include "options.h"

/*
 * A place's state. Whoever sends counts as a user; who finds that it is to go marks it so, and the
 * last user closes it. BUSY: being filled or emptied by one thread.
 */
#define LIVE	0x10000u
#define GOING	0x20000u
#define REFUSED 0x40000u
#define BUSY	0x80000u
#define USERS	0xffffu

#define REST_US (1000 * 1000) /* after a refusal nobody asks for the same so long */

/* Descriptors out of the way of the server's: select(2) takes none from 1024 on. */
#define HIGHEST 4096
#define ROOM	160
#define SHARE	16 /* of its descriptors one in so many may be ours */

#define END(replies) ((replies)->all + SKS_REPLY_SETS * SKS_REPLY_WAYS)

static struct sks_reply_socket *set_of(struct sks_reply_sockets *replies, uint64_t server,
				       uint16_t port)
{
	uint64_t hash = (server * 65537 + port) * 0x9e3779b97f4a7c15u;

	return replies->all + (hash >> 32 & (SKS_REPLY_SETS - 1)) * SKS_REPLY_WAYS;
}

static bool is_for(const struct sks_reply_socket *reply, const struct sks_dgram *dgram,
		   const struct sks_endpoint *where)
{
	return reply->server == dgram->cookie && reply->where.port == where->port &&
	       reply->where.scope == where->scope &&
	       sks_endpoint_is_v4(&reply->where) == sks_endpoint_is_v4(where);
}

/* A close(2) after the look at the cookie is not overlooked: it counts before and after. */
static bool is_ours(struct sks_reply_socket *reply)
{
	uint32_t doubts = reply->doubts;

	if (reply->sure_at == doubts)
		return true;
	if (sks_fd_cookie(reply->fd) != reply->cookie)
		return false;
	reply->sure_at = doubts;
	return true;
}

void sks_reply_sockets_doubt(struct sks_reply_sockets *replies, unsigned int first,
			     unsigned int last)
{
	struct sks_reply_socket *reply = replies->all;

	if (!replies->lowest || last < replies->lowest)
		return;
	for (; reply < END(replies); reply++) {
		if ((unsigned int)reply->fd >= first && (unsigned int)reply->fd <= last)
			reply->doubts++;
	}
}

/* Nobody uses it any more. What the server has put in its place is not ours to close. */
static void empty(struct sks_reply_socket *reply)
{
	if (sks_fd_cookie(reply->fd) == reply->cookie)
		(void)sks_raw(SYS_close, reply->fd);
	sks_udp->replies.n--;
	atomic_store(&reply->state, 0);
}

/* False: it is not there, or about to go. */
static bool hold(struct sks_reply_socket *reply)
{
	uint32_t state = reply->state;

	do {
		if ((state & ~USERS) != LIVE || (state & USERS) == USERS)
			return false;
	} while (!atomic_compare_exchange_weak(&reply->state, &state, state + 1));
	return true;
}

static void let_go(struct sks_reply_socket *reply)
{
	uint32_t state = atomic_fetch_sub(&reply->state, 1) - 1;

	if (state == (LIVE | GOING) && atomic_compare_exchange_strong(&reply->state, &state, BUSY))
		empty(reply);
}

/* By somebody who holds it. */
static void drop(struct sks_reply_socket *reply)
{
	(void)atomic_fetch_or(&reply->state, GOING);
}

static struct sks_reply_socket *find(struct sks_reply_socket *set, const struct sks_dgram *dgram,
				     const struct sks_endpoint *where)
{
	for (int i = 0; i < SKS_REPLY_WAYS; i++) {
		if (!is_for(&set[i], dgram, where) || !hold(&set[i]))
			continue;
		if (is_for(&set[i], dgram, where))
			return &set[i];
		let_go(&set[i]); /* it has just become another one */
	}
	return NULL;
}

static bool is_refused(const struct sks_reply_socket *set, const struct sks_dgram *dgram,
		       const struct sks_endpoint *where, int64_t now)
{
	for (int i = 0; i < SKS_REPLY_WAYS; i++) {
		if (set[i].state == REFUSED && is_for(&set[i], dgram, where) && set[i].until > now)
			return true;
	}
	return false;
}

static struct sks_reply_socket *oldest_of(struct sks_reply_sockets *replies,
					  struct sks_reply_socket *first, size_t n)
{
	struct sks_reply_socket *oldest = NULL;

	for (size_t i = 0; i < n; i++) {
		if (first[i].state == LIVE &&
		    (!oldest || replies->clock - first[i].used > replies->clock - oldest->used))
			oldest = &first[i];
	}
	return oldest;
}

/* False: it is in use. */
static bool evict(struct sks_reply_socket *reply)
{
	uint32_t live = LIVE;

	if (!reply || !atomic_compare_exchange_strong(&reply->state, &live, BUSY))
		return false;
	empty(reply);
	return true;
}

static uint64_t file_limit(void)
{
	struct {
		uint64_t now, most;
	} limit;

	return sks_raw(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) ? HIGHEST : limit.now;
}

/* A place that is free, refused, or else the one that has not been used for the longest time. */
static struct sks_reply_socket *take_place(struct sks_reply_sockets *replies,
					   struct sks_reply_socket *set, uint64_t limit)
{
	uint32_t most = limit / SHARE > 1 ? (uint32_t)(limit / SHARE) : 1, seen;

	if (replies->n >= most &&
	    !evict(oldest_of(replies, replies->all, END(replies) - replies->all)))
		return NULL;
	for (int tries = 0; tries < 2; tries++) {
		for (int i = 0; i < SKS_REPLY_WAYS; i++) {
			seen = set[i].state;
			if ((!seen || seen == REFUSED) &&
			    atomic_compare_exchange_strong(&set[i].state, &seen, BUSY))
				return &set[i];
		}
		if (!evict(oldest_of(replies, set, SKS_REPLY_WAYS)))
			break;
	}
	return NULL;
}

static void fill(struct sks_reply_socket *reply, const struct sks_dgram *dgram, int fd,
		 const struct sks_endpoint *where)
{
	reply->server = dgram->cookie;
	reply->server_fd = fd;
	reply->where = *where;
}

int sks_reply_socket_move_up(int fd)
{
	uint64_t limit = file_limit();
	long high, first = HIGHEST - ROOM;

	if (limit < HIGHEST)
		first = (long)limit - (limit < 2 * ROOM ? (long)limit / SHARE + 1 : ROOM);
	high = first > 2 ? sks_raw(SYS_fcntl, fd, F_DUPFD_CLOEXEC, first) : -1;
	if (high < 0)
		return fd;
	(void)sks_raw(SYS_close, fd);
	return (int)high;
}

/* A helper that has started anew does not know the token that the earlier one gave. */
static int offer(const struct sks_config *config, int sock, struct sks_dgram *dgram, int fd,
		 const struct sks_endpoint *where, const struct sks_endpoint *peer,
		 bool *ret_yields)
{
	int err = sks_offer_reply_socket(config, sock, dgram, where, peer, true, ret_yields);

	if (err != -EPERM)
		return err;
	dgram->token = sks_offer_token(config, fd);
	return sks_offer_reply_socket(config, sock, dgram, where, peer, false, ret_yields);
}

int sks_reply_socket_make(struct sks_dgram *dgram, int fd, const struct sks_endpoint *where,
			  const struct sks_endpoint *peer, bool *ret_yields)
{
	const struct sks_config *config = sks_config_get();
	int sock, err;

	if (!config)
		return -ENOENT;
	sock = (int)sks_raw(SYS_socket, sks_dgram_domain(dgram),
			    SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
	if (sock < 0)
		return sock;
	sks_options_copy(fd, sock, peer != NULL);
	err = offer(config, sock, dgram, fd, where, peer, ret_yields);
	if (!err)
		return sock;
	(void)sks_raw(SYS_close, sock);
	return err;
}

static struct sks_reply_socket *make(struct sks_reply_socket *set, struct sks_dgram *dgram, int fd,
				     const struct sks_endpoint *where)
{
	struct sks_reply_socket *reply;
	bool yields = false;
	int sock = sks_reply_socket_make(dgram, fd, where, NULL, &yields);

	reply = take_place(&sks_udp->replies, set, file_limit());
	if (!reply) {
		if (sock >= 0)
			(void)sks_raw(SYS_close, sock);
		return NULL;
	}
	fill(reply, dgram, fd, where);
	if (sock < 0) {
		reply->until = sks_now_us() + REST_US;
		atomic_store(&reply->state, REFUSED);
		return NULL;
	}
	sks_udp->replies.n++;
	sks_udp->pid = (int32_t)sks_raw(SYS_getpid);
	reply->fd = sks_reply_socket_move_up(sock);
	reply->cookie = sks_fd_cookie(reply->fd);
	if (!sks_udp->replies.lowest || (uint32_t)reply->fd < sks_udp->replies.lowest)
		sks_udp->replies.lowest = (uint32_t)reply->fd;
	reply->yields = yields;
	reply->sure_at = reply->doubts;
	reply->used = ++sks_udp->replies.clock;
	atomic_store(&reply->state, LIVE | 1);
	return reply;
}

struct sks_reply_socket *sks_reply_socket_get(struct sks_dgram *dgram, int fd,
					      const struct sks_endpoint *where)
{
	struct sks_reply_socket *set = set_of(&sks_udp->replies, dgram->cookie, where->port);

	for (int tries = 0; tries < 2; tries++) {
		struct sks_reply_socket *reply = find(set, dgram, where);

		if (!reply)
			break;
		if (is_ours(reply)) {
			reply->used = ++sks_udp->replies.clock;
			return reply;
		}
		drop(reply); /* the server has closed it */
		let_go(reply);
	}
	return is_refused(set, dgram, where, sks_now_us()) ? NULL : make(set, dgram, fd, where);
}

void sks_reply_socket_put(struct sks_reply_socket *reply, bool broken)
{
	if (broken || reply->yields)
		drop(reply);
	let_go(reply);
}

void sks_reply_sockets_leave(struct sks_reply_sockets *replies, uint16_t port)
{
	struct sks_reply_socket *reply = replies->all;

	for (; reply < END(replies); reply++) {
		if (reply->where.port != port || !hold(reply))
			continue;
		if (reply->where.port == port) /* still */
			drop(reply);
		let_go(reply);
	}
}

/* The helper has taken it back, its server's socket is closed, or it is closed itself. */
static bool is_over(const struct sks_reply_socket *reply)
{
	struct pollfd own = { .fd = reply->fd };

	return sks_fd_cookie(reply->fd) != reply->cookie ||
	       sks_fd_cookie(reply->server_fd) != reply->server ||
	       (sks_poll(&own, 1, 0) > 0 && own.revents & POLLERR);
}

void sks_reply_sockets_look(struct sks_reply_sockets *replies)
{
	struct sks_reply_socket *reply = replies->all;

	for (; reply < END(replies); reply++) {
		if (!(reply->state & LIVE) || !hold(reply))
			continue;
		if (is_over(reply))
			drop(reply);
		let_go(reply);
	}
}

void sks_reply_sockets_set(struct sks_reply_sockets *replies, uint64_t server, int level, int name,
			   const void *value, socklen_t len)
{
	struct sks_reply_socket *reply = replies->all;

	for (; reply < END(replies); reply++) {
		if (reply->server != server || !hold(reply))
			continue;
		if (reply->server == server && sks_fd_cookie(reply->fd) == reply->cookie)
			(void)sks_raw(SYS_setsockopt, reply->fd, level, name, value, len);
		let_go(reply);
	}
}
