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
#include "spare.h"
#include "change.h"
#include "conns.h"
#include "curb.h"
#include "groups.h"
#include "handout.h"
#include "inside.h"
#include "log.h"
#include "policy_load.h"
#include "request.h"
#include "server.h"
#include "stranger.h"
#include "watchers.h"
#include "yield.h"

/* What has gone is to be noticed within a second. How often we look: */
#define LOOK_MS	     200  /* where there are sockets */
#define LOOK_MAX_MS  600  /* where tens of thousands of them make it a long look */
#define LOOK_SHARE   100  /* it may take one part in so many of our time */
#define LOOK_BARE_MS 500  /* where only a namespace can die */
#define REAP_MS	     5000 /* a server that starts again need not wait for maps */
#define EVENTS	     32
#define MAX_ACCEPTED 1024 /* before one of them is served */

static int epoll = -1;

static int64_t next_look, next_reap; /* ms */

/* What an event is of, beside connections and attended processes. */
static char path_tag, name_tag, signal_tag, attended_tag, end_tag;

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

static void answer(int fd, struct sks_asked *asked)
{
	struct sks_reply reply = {
		.version = SKS_WIRE_VERSION,
		.steered = asked->steered && !asked->verdict.err,
		.err = asked->verdict.err,
		.place = asked->place,
		.port = asked->place_port,
		.token = asked->token,
	};

	memcpy(reply.text, asked->verdict.text, sizeof(reply.text));
	(void)sks_wire_send(fd, &reply, sizeof(reply), NULL, 0, asked->ret_fd);
	sks_closep(&asked->ret_fd);
}

static void handle(const struct sks_server *server, struct sks_conn *conn, struct sks_asked *asked)
{
	CLEANUP_FD int netns = -1;
	int err = sks_netns_of_socket(conn->fd, &netns, &asked->netns_ino);

	asked->netns = netns;
	asked->netns_cookie = sks_netns_cookie(conn->fd);
	asked->spaces = server->spaces;
	asked->peer = conn->peer;
	sks_groups_of_conn(conn->fd, &asked->peer);
	asked->conn = conn->fd;
	if (err)
		(void)sks_refuse(&asked->verdict, err, "your network namespace is unknown: %s",
				 strerror(-err));
	else if (asked->req->op != SKS_OP_ATTEND)
		sks_ask(asked);
	else if (sks_spare_is(asked->req))
		sks_spare_note(asked);
	else if (server->idle_exit_ms >= 0)
		sks_attend(asked, epoll, &attended_tag);
}

#define NO_VERSION 256 /* from here on it is noise */

/* Ours look at the greeting before they send anything. */
static void refuse_record(struct sks_asked *asked, size_t len)
{
	uint16_t theirs = len >= sizeof(theirs) ? asked->req->version : 0;

	if (theirs && theirs < NO_VERSION && theirs != SKS_WIRE_VERSION)
		(void)sks_refuse(&asked->verdict, -EPROTO,
				 "a request of version %u of the wire, and sksteerd speaks version "
				 "%u: update %s, the older one",
				 theirs, SKS_WIRE_VERSION,
				 theirs < SKS_WIRE_VERSION ? "your client" : "sksteerd");
	else
		(void)sks_refuse(&asked->verdict, -EPROTO,
				 "malformed request: not one of version %u", SKS_WIRE_VERSION);
}

static void serve(const struct sks_server *server, struct sks_conn *conn)
{
	static struct {
		struct sks_request req;
		char spec[SKS_SPEC_MAX];
	} record;
	struct sks_asked asked = { .req = &record.req, .spec = record.spec, .fd = -1, .ret_fd = -1 };
	uint32_t payer = conn->peer.root ? 0 : sks_conn_payer(conn);
	int len = sks_stranger_receive(&conn->peer, payer, conn->fd, &record, sizeof(record),
				       &asked.fd);

	if (len == -EAGAIN || len == -EBADF) /* it made room, and this event is from before */
		return;
	if (len == -EMSGSIZE)
		(void)sks_refuse(&asked.verdict, -E2BIG,
				 "the request is too long: a spec has at most %u bytes",
				 SKS_SPEC_MAX);
	else if (len == -EBUSY || len == -ETIMEDOUT)
		(void)sks_refuse(&asked.verdict, len,
				 "user %u makes us wait for the lock of a socket that it sends",
				 conn->peer.uid);
	else if (len == -EPROTO)
		(void)sks_refuse(&asked.verdict, -EPROTO, "more than one descriptor came along");
	else if (len > 0 && sks_request_check(&record.req, (size_t)len))
		refuse_record(&asked, (size_t)len);
	else if (len > 0)
		handle(server, conn, &asked);
	sks_stranger_close(asked.fd);
	if (len > 0 || asked.verdict.err)
		answer(conn->fd, &asked);
	sks_conn_drop(conn);
}

static void await(struct sks_conn *conn)
{
	if (conn && conn->fd >= 0 && watch(conn->fd, conn))
		sks_conn_drop(conn);
}

/*
 * All that wait, before any is served: who comes after one user's hundred is not to wait for all of
 * them. To one that is alone the greeting has often brought its request already.
 */
static void accept_all(const struct sks_server *server, int listener)
{
	struct sks_conn *conn, *next = NULL;
	int err = sks_conns_accept(listener, now_ms(), &conn);

	if (!err)
		err = sks_conns_accept(listener, now_ms(), &next);
	if (err && conn)
		serve(server, conn);
	await(conn);
	await(next);
	for (unsigned int i = 0; !err && i < MAX_ACCEPTED; i++) {
		err = sks_conns_accept(listener, now_ms(), &next);
		await(next);
	}
}

/* Who has paid for a request since the last epoll_wait(2): one each, so that the one of another
 * comes next. */
struct turn {
	uint32_t payers[EVENTS];
	size_t n;
};

static bool has_had_turn(struct turn *turn, struct sks_conn *conn)
{
	uint32_t payer;
	size_t i = 0;

	if (conn->fd < 0 || conn->peer.root)
		return false;
	payer = sks_conn_payer(conn);
	while (i < turn->n && turn->payers[i] != payer)
		i++;
	if (i < turn->n)
		return true;
	turn->payers[turn->n++] = payer;
	return false;
}

static bool is_busy(const struct sks_spaces *spaces)
{
	if (sks_conns_count() || sks_attend_any())
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

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* How long nothing but an event can make a difference; -1: for ever. */
static int wait_ms(const struct sks_server *server, int64_t now, int64_t idle_since)
{
	int64_t until = sks_conns_deadline();
	int log_ms = sks_log_settle();

	if (log_ms >= 0)
		until = sooner(until, now + log_ms);
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
	sks_yields_look(spaces);
	sks_spare_look(spaces, now);
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
	sks_conns_expire(now);
	sks_attend_forget();
	if (now >= next_reap) {
		sks_spaces_reap(server->spaces);
		next_reap = now + REAP_MS;
	}
	if (now >= next_look) {
		sks_handouts_forget();
		sks_watchers_settle();
		look(server->spaces, now);
	}
}

static int start(const struct sks_server *server, int *ret_signals)
{
	sigset_t signals;
	int err;

	sks_conns_init();
	sks_curb_init();
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGHUP);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	*ret_signals = signalfd(-1, &signals, SFD_CLOEXEC);
	if (epoll < 0 || *ret_signals < 0)
		return -errno;
	err = watch(*ret_signals, &signal_tag);
	for (size_t i = 0; !err && i < server->n_ends; i++)
		err = watch(server->ends[i], &end_tag);
	err = err ?: watch(server->listener, &path_tag);
	return err || server->named < 0 ? err : watch(server->named, &name_tag);
}

static void serve_event(const struct sks_server *server, void *of, struct turn *turn)
{
	if (of == &path_tag)
		accept_all(server, server->listener);
	else if (of == &name_tag)
		accept_all(server, server->named);
	else if (of != &attended_tag && !has_had_turn(turn, of))
		serve(server, of);
}

/* True: it is to end. */
static bool take_signal(int signals)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return false;
	if (info.ssi_signo == SIGHUP)
		sks_policy_reload();
	return info.ssi_signo != SIGHUP;
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
			void *what = events[i].data.ptr;

			if (what == &signal_tag && take_signal(signals))
				return 0;
			if (what == &end_tag)
				return -ECHILD;
			if (what != &signal_tag)
				serve_event(server, what, &turn);
		}
	}
	return err;
}
