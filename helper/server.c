// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the helper's one loop: connections, their deadlines, the sweep, and when it is time to go. */
#include <errno.h>
#include <poll.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/wire.h"
#include "change.h"
#include "inside.h"
#include "log.h"
#include "request.h"
#include "server.h"
#include "socket.h"

#define MAX_CONNS	    128
#define KEPT_FOR_ROOT	    16
#define MAX_CONNS_A_USER    16 /* root has no share of its own */
#define MAX_ATTENDED	    1024
#define MAX_ATTENDED_A_USER 64
#define DEADLINE_MS	    1000 /* from accept(2) to the request: as long as the library waits */
#define SWEEP_MS	    200 /* an ephemeral service is to be gone within a second of its socket */
#define REAP_MS		    5000 /* the pins of dead namespaces cost memory only */

struct conn {
	int fd; /* -1: free */
	struct sks_peer peer;
	int64_t deadline;
};

/* A process that asked the helper to stay while it lives. */
struct attended {
	int pidfd;
	struct sks_peer peer;
};

static struct conn conns[MAX_CONNS];
static struct attended attended[MAX_ATTENDED];
static size_t n_conns, n_attended;
static int epoll = -1;

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

	for (size_t i = 0; i < MAX_CONNS; i++)
		n += conns[i].fd >= 0 && conns[i].peer.uid == uid;
	return uid == 0 || (n < MAX_CONNS_A_USER && n_conns < MAX_CONNS - KEPT_FOR_ROOT);
}

/* The peer's effective capabilities in our own user namespace: in another one it has none here. */
static uint32_t read_caps(const struct ucred *cred)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, cred->pid };
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
	struct stat own, peer;
	char path[32];

	/* 0: of another pid namespace. To capget(2) that is the caller. */
	if (cred->pid <= 0)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)cred->pid);
	if (stat("/proc/self/ns/user", &own) || stat(path, &peer) || own.st_dev != peer.st_dev ||
	    own.st_ino != peer.st_ino || syscall(SYS_capget, &head, caps))
		return 0;
	return caps[0].effective;
}

static int read_peer(int fd, struct sks_peer *ret_peer)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	uint32_t caps;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	caps = read_caps(&cred);
	*ret_peer = (struct sks_peer){
		.uid = cred.uid,
		.pid = cred.pid,
		.root = cred.uid == 0 && caps & 1u << CAP_NET_ADMIN,
		.binds_low = caps & 1u << CAP_NET_BIND_SERVICE,
	};
	return 0;
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

static void accept_one(int listener)
{
	static const struct sks_greeting greeting = { .version = SKS_WIRE_VERSION };
	CLEANUP_FD int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct conn *conn = NULL;
	struct sks_peer peer = {};

	if (fd < 0)
		shed();
	if (fd < 0 || read_peer(fd, &peer))
		return;
	for (size_t i = 0; !conn && i < MAX_CONNS; i++) {
		if (conns[i].fd < 0)
			conn = &conns[i];
	}
	/* Closing says it: the client serves on unsteered, and others are not kept waiting. */
	if (!conn || !has_share(peer.uid) || watch(fd, conn) ||
	    sks_wire_send(fd, &greeting, sizeof(greeting), NULL, 0, -1))
		return;
	*conn = (struct conn){ sks_take_fd(&fd), peer, now_ms() + DEADLINE_MS };
	n_conns++;
}

static unsigned int attended_of(uint32_t uid)
{
	unsigned int n = 0;

	for (size_t i = 0; i < n_attended; i++)
		n += attended[i].peer.uid == uid;
	return n;
}

static bool is_attended(pid_t pid)
{
	for (size_t i = 0; i < n_attended; i++) {
		if (attended[i].peer.pid == pid)
			return true;
	}
	return false;
}

/* The process stays attended until it ends; sksteer-run becomes the server by exec. */
static void attend(struct sks_asked *asked)
{
	const struct sks_peer *peer = &asked->peer;
	CLEANUP_FD int pidfd = -1;

	if (is_attended(peer->pid))
		return;
	if (n_attended == MAX_ATTENDED ||
	    (!peer->root && attended_of(peer->uid) >= MAX_ATTENDED_A_USER)) {
		(void)sks_refuse(&asked->verdict, -ENOSPC, "too many processes are attended");
		return;
	}
	pidfd = (int)syscall(SYS_pidfd_open, peer->pid, 0);
	if (pidfd < 0 || watch(pidfd, &attended_tag))
		(void)sks_refuse(&asked->verdict, -errno, "cannot attend process %d: %s",
				 (int)peer->pid, strerror(errno));
	else
		attended[n_attended++] = (struct attended){ sks_take_fd(&pidfd), *peer };
}

/* A pidfd is readable once its process has ended, be it waited for or not. */
static void forget_ended(void)
{
	for (size_t i = n_attended; i-- > 0;) {
		struct pollfd poll_fd = { .fd = attended[i].pidfd, .events = POLLIN };

		if (poll(&poll_fd, 1, 0) <= 0)
			continue;
		(void)close(attended[i].pidfd);
		attended[i] = attended[--n_attended];
	}
}

static void answer(int fd, struct sks_asked *asked)
{
	struct sks_reply reply = {
		.version = SKS_WIRE_VERSION,
		.steered = asked->steered,
		.err = asked->verdict.err,
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
	asked->spaces = server->spaces;
	asked->peer = conn->peer;
	if (err)
		(void)sks_refuse(&asked->verdict, err, "your network namespace is unknown: %s",
				 strerror(-err));
	else if (asked->req->op != SKS_OP_ATTEND)
		sks_ask(asked);
	else if (server->idle_exit_ms >= 0)
		attend(asked);
}

static void serve(const struct sks_server *server, struct conn *conn)
{
	static struct {
		struct sks_request req;
		char spec[SKS_SPEC_MAX];
	} record;
	struct sks_asked asked = { .req = &record.req, .spec = record.spec, .fd = -1, .ret_fd = -1 };
	int len = sks_wire_recv(conn->fd, &record, sizeof(record), MSG_DONTWAIT, &asked.fd);

	if (len == -EAGAIN)
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

static bool is_busy(const struct sks_spaces *spaces)
{
	if (n_conns || n_attended)
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
	for (size_t i = 0; i < MAX_CONNS; i++) {
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

	for (size_t i = 0; i < MAX_CONNS; i++) {
		if (conns[i].fd >= 0)
			until = sooner(until, conns[i].deadline);
	}
	if (has_sockets(server->spaces))
		until = sooner(until, now + SWEEP_MS);
	else if (server->spaces->n)
		until = sooner(until, now + REAP_MS);
	if (idle_since && server->idle_exit_ms >= 0)
		until = sooner(until, idle_since + server->idle_exit_ms);
	if (until == INT64_MAX)
		return -1;
	return until > now ? (int)(until - now) : 0;
}

static void housekeep(const struct sks_server *server, int64_t now)
{
	static int64_t swept, reaped;

	expire(now);
	forget_ended();
	if (now - swept >= SWEEP_MS) {
		for (size_t i = 0; i < server->spaces->n; i++)
			sks_change_sweep(server->spaces->spaces[i], now);
		swept = now;
	}
	if (now - reaped >= REAP_MS) {
		sks_spaces_reap(server->spaces);
		reaped = now;
	}
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
	struct epoll_event events[32];
	int64_t idle_since = 0;
	int n, err = start(server, &signals);

	while (!err) {
		int64_t now = now_ms();

		housekeep(server, now);
		idle_since = is_busy(server->spaces) ? 0 : idle_since ?: now;
		if (idle_since && server->idle_exit_ms >= 0 &&
		    now - idle_since >= server->idle_exit_ms)
			return 1;
		n = epoll_wait(epoll, events, 32, wait_ms(server, now, idle_since));
		if (n < 0 && errno != EINTR)
			err = -errno;
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &signal_tag)
				return 0;
			if (events[i].data.ptr == &listener_tag)
				accept_one(server->listener);
			else if (events[i].data.ptr != &attended_tag)
				serve(server, events[i].data.ptr);
		}
	}
	return err;
}
