// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the helper's one loop: connections, their deadlines, the sweep, and when it is time to go. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/wire.h"
#include "attend.h"
#include "change.h"
#include "inside.h"
#include "log.h"
#include "request.h"
#include "server.h"
#include "socket.h"

#define MAX_CONNS	 1024
#define KEPT_FOR_ROOT	 128
#define MAX_CONNS_A_USER 128  /* as many as wait to be accepted; root has no share of its own */
#define DEADLINE_MS	 1000 /* from accept(2) to the request: as long as the library waits */
/* What has gone is to be noticed within a second. How often we look: */
#define LOOK_MS	     200  /* where there are sockets */
#define LOOK_MAX_MS  600  /* where tens of thousands of them make it a long look */
#define LOOK_SHARE   100  /* it may take one part in so many of our time */
#define LOOK_BARE_MS 500  /* where only a namespace can die */
#define REAP_MS	     5000 /* a server that starts again need not wait for maps */
#define EVENTS	     32

struct conn {
	int fd; /* -1: free */
	struct sks_peer peer;
	int64_t deadline;
};

static struct conn conns[MAX_CONNS];
static size_t n_conns;
static int epoll = -1;

static int64_t next_look, next_reap; /* ms */

/* What an event is of, beside connections and attended processes. */
static char listener_tag, signal_tag, attended_tag;

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int watch(int fd, void *what)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = what };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static void drop(struct conn *conn)
{
	(void)close(conn->fd);
	conn->fd = -1;
	n_conns--;
}

static bool has_share(uint32_t uid)
{
	unsigned int n = 0;

	if (uid == 0)
		return true;
	for (size_t i = 0; n_conns && i < MAX_CONNS; i++)
		n += conns[i].fd >= 0 && conns[i].peer.uid == uid;
	return n < MAX_CONNS_A_USER && n_conns < MAX_CONNS - KEPT_FOR_ROOT;
}

/* Without a free descriptor, whoever has been silent longest makes room. */
static void shed(void)
{
	struct conn *oldest = NULL;

	if (errno != EMFILE && errno != ENFILE)
		return;
	for (size_t i = 0; i < MAX_CONNS; i++) {
		if (conns[i].fd >= 0 && (!oldest || conns[i].deadline < oldest->deadline))
			oldest = &conns[i];
	}
	if (oldest)
		drop(oldest);
}

static void answer(int fd, struct sks_asked *asked)
{
	struct sks_reply reply = {
		.version = SKS_WIRE_VERSION,
		.steered = asked->steered && !asked->verdict.err,
		.err = asked->verdict.err,
		.place = asked->place,
		.port = asked->place_port,
	};

	memcpy(reply.text, asked->verdict.text, sizeof(reply.text));
	(void)sks_wire_send(fd, &reply, sizeof(reply), NULL, 0, asked->ret_fd);
	sks_closep(&asked->ret_fd);
}

static void handle(const struct sks_server *server, struct conn *conn, struct sks_asked *asked)
{
	CLEANUP_FD int netns = -1;
	int err = sks_netns_of_socket(conn->fd, &netns, &asked->netns_ino);

	asked->netns = netns;
	asked->netns_cookie = sks_netns_cookie(conn->fd);
	asked->spaces = server->spaces;
	asked->peer = conn->peer;
	asked->conn = conn->fd;
	if (err)
		(void)sks_refuse(&asked->verdict, err, "your network namespace is unknown: %s",
				 strerror(-err));
	else if (asked->req->op != SKS_OP_ATTEND)
		sks_ask(asked);
	else if (server->idle_exit_ms >= 0)
		sks_attend(asked, epoll, &attended_tag);
}

static void serve(const struct sks_server *server, struct conn *conn)
{
	static struct {
		struct sks_request req;
		char spec[SKS_SPEC_MAX];
	} record;
	struct sks_asked asked = { .req = &record.req, .spec = record.spec, .fd = -1, .ret_fd = -1 };
	int len = sks_wire_recv(conn->fd, &record, sizeof(record), MSG_DONTWAIT, &asked.fd);

	if (len == -EAGAIN || len == -EBADF) /* shed() closed it, and this event is from before */
		return;
	if (len == -EMSGSIZE)
		(void)sks_refuse(&asked.verdict, -E2BIG,
				 "the request is too long: a spec has at most %u bytes",
				 SKS_SPEC_MAX);
	else if (len == -EPROTO)
		(void)sks_refuse(&asked.verdict, -EPROTO, "more than one descriptor came along");
	else if (len > 0 && sks_request_check(&record.req, (size_t)len))
		(void)sks_refuse(&asked.verdict, -EPROTO,
				 "malformed request: not one of version %u", SKS_WIRE_VERSION);
	else if (len > 0)
		handle(server, conn, &asked);
	sks_socket_close(asked.fd);
	if (len > 0 || asked.verdict.err)
		answer(conn->fd, &asked);
	drop(conn);
}

/* -errno when nobody waits; 0 with the connection, greeted, or with NULL: it was turned away. */
static int accept_one(const struct sks_server *server, struct conn **ret_conn)
{
	static const struct sks_greeting greeting = { .version = SKS_WIRE_VERSION };
	CLEANUP_FD int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct conn *conn = conns;
	struct sks_peer peer = {};

	*ret_conn = NULL;
	if (fd < 0) {
		int err = -errno;

		shed();
		return err;
	}
	if (sks_peer_read(fd, &peer))
		return 0;
	while (conn < conns + MAX_CONNS && conn->fd >= 0)
		conn++;
	/* Closing says it: the client serves on unsteered, and others are not kept waiting. */
	if (conn == conns + MAX_CONNS || !has_share(peer.uid) ||
	    sks_wire_send(fd, &greeting, sizeof(greeting), NULL, 0, -1))
		return 0;
	*conn = (struct conn){ sks_take_fd(&fd), peer, now_ms() + DEADLINE_MS };
	n_conns++;
	*ret_conn = conn;
	return 0;
}

static void await(struct conn *conn)
{
	if (conn && conn->fd >= 0 && watch(conn->fd, conn))
		drop(conn);
}

/*
 * All that wait, before any is served: who comes after one user's hundred is not to wait for all of
 * them. To one that is alone the greeting has often brought its request already.
 */
static void accept_all(const struct sks_server *server)
{
	struct conn *conn, *next = NULL;
	int err = accept_one(server, &conn);

	if (!err)
		err = accept_one(server, &next);
	if (err && conn)
		serve(server, conn);
	await(conn);
	await(next);
	for (unsigned int i = 0; !err && i < MAX_CONNS; i++) {
		err = accept_one(server, &next);
		await(next);
	}
}

/* Users served since the last epoll_wait(2): one request each, so that the one of another comes
 * next. */
struct turn {
	uint32_t uids[EVENTS];
	size_t n;
};

static bool has_had_turn(struct turn *turn, const struct conn *conn)
{
	size_t i = 0;

	if (conn->fd < 0 || conn->peer.uid == 0)
		return false;
	while (i < turn->n && turn->uids[i] != conn->peer.uid)
		i++;
	if (i < turn->n)
		return true;
	turn->uids[turn->n++] = conn->peer.uid;
	return false;
}

static bool is_busy(const struct sks_spaces *spaces)
{
	if (n_conns || sks_attend_any())
		return true;
	for (size_t i = 0; i < spaces->n; i++) {
		const struct sks_space *space = spaces->spaces[i];

		for (uint32_t k = 0; k < space->n_services; k++) {
			if (sks_in_next(space, &space->maps.services[k]))
				return true;
		}
	}
	return false;
}

static bool has_sockets(const struct sks_spaces *spaces)
{
	for (size_t i = 0; i < spaces->n; i++) {
		for (uint32_t k = 1; k < spaces->spaces[i]->n_slots; k++) {
			if (spaces->spaces[i]->maps.slots[k].cookie)
				return true;
		}
	}
	return false;
}

static void expire(int64_t now)
{
	for (size_t i = 0; n_conns && i < MAX_CONNS; i++) {
		if (conns[i].fd >= 0 && conns[i].deadline <= now)
			drop(&conns[i]);
	}
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* How long nothing but an event can make a difference; -1: for ever. */
static int wait_ms(const struct sks_server *server, int64_t now, int64_t idle_since)
{
	int64_t until = INT64_MAX;

	for (size_t i = 0; n_conns && i < MAX_CONNS; i++) {
		if (conns[i].fd >= 0)
			until = sooner(until, conns[i].deadline);
	}
	if (server->spaces->n || server->spaces->strangers)
		until = sooner(until, next_look);
	if (idle_since && server->idle_exit_ms >= 0)
		until = sooner(until, idle_since + server->idle_exit_ms);
	if (until == INT64_MAX)
		return -1;
	return until > now ? (int)(until - now) : 0;
}

/* For dead namespaces and closed sockets. */
static void look(struct sks_spaces *spaces, int64_t now)
{
	int64_t end, pause;

	sks_spaces_bury(spaces);
	for (size_t i = 0; i < spaces->n; i++)
		sks_change_sweep(spaces->spaces[i], now);
	end = now_ms();
	pause = (end - now) * LOOK_SHARE;
	if (!has_sockets(spaces))
		pause = LOOK_BARE_MS;
	else if (pause < LOOK_MS)
		pause = LOOK_MS;
	next_look = end + sooner(pause, LOOK_MAX_MS);
}

static void housekeep(const struct sks_server *server, int64_t now)
{
	expire(now);
	sks_attend_forget();
	if (now >= next_reap) {
		sks_spaces_reap(server->spaces);
		next_reap = now + REAP_MS;
	}
	if (now >= next_look)
		look(server->spaces, now);
}

static int start(const struct sks_server *server, int *ret_signals)
{
	sigset_t signals;
	int err;

	for (size_t i = 0; i < MAX_CONNS; i++)
		conns[i].fd = -1;
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	*ret_signals = signalfd(-1, &signals, SFD_CLOEXEC);
	if (epoll < 0 || *ret_signals < 0)
		return -errno;
	err = watch(*ret_signals, &signal_tag);
	return err ?: watch(server->listener, &listener_tag);
}

int sks_server_run(const struct sks_server *server)
{
	CLEANUP_FD int signals = -1;
	struct epoll_event events[EVENTS];
	int64_t idle_since = 0;
	int n, err = start(server, &signals);

	while (!err) {
		int64_t now = now_ms();
		struct turn turn = { .n = 0 };

		housekeep(server, now);
		idle_since = is_busy(server->spaces) ? 0 : idle_since ?: now;
		if (idle_since && server->idle_exit_ms >= 0 &&
		    now - idle_since >= server->idle_exit_ms)
			return 1;
		n = epoll_wait(epoll, events, EVENTS, wait_ms(server, now, idle_since));
		if (n < 0 && errno != EINTR)
			err = -errno;
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &signal_tag)
				return 0;
			if (events[i].data.ptr == &listener_tag)
				accept_all(server);
			else if (events[i].data.ptr != &attended_tag &&
				 !has_had_turn(&turn, events[i].data.ptr))
				serve(server, events[i].data.ptr);
		}
	}
	return err;
}
