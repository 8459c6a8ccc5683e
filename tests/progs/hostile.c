/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns clients that mean the helper harm: hostile SOCKET HOW [N], for ever. Says "busy" once it is
 * at it. The ways stand below, each a function.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/wire.h"

#define MAX_FDS 253

static struct sockaddr_un address = { .sun_family = AF_UNIX };
static int number; /* N */

static void say_busy(void)
{
	static bool said;

	if (!said && write(STDOUT_FILENO, "busy\n", 5) != 5)
		_exit(1);
	said = true;
}

/* -1: it was turned away, or there are no more descriptors. */
static int try_connect(void)
{
	int conn = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	if (conn >= 0 && connect(conn, (struct sockaddr *)&address, sizeof(address))) {
		close(conn);
		return -1;
	}
	return conn;
}

static int greeted(void)
{
	char greeting[64];
	int conn;

	while ((conn = try_connect()) < 0 || recv(conn, greeting, sizeof(greeting), 0) <= 0)
		close(conn);
	return conn;
}

static void send_fds(int conn, const void *record, size_t len, const int *fds, size_t n)
{
	union {
		struct cmsghdr head;
		char buf[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} ctl = { .head = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { (void *)record, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n) {
		ctl.head.cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(&ctl.head), fds, n * sizeof(int));
		msg.msg_control = &ctl;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
	}
	(void)sendmsg(conn, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int listener(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	int sock = socket(AF_INET, SOCK_STREAM, 0);

	(void)bind(sock, (struct sockaddr *)&in, sizeof(in));
	(void)listen(sock, 8);
	return sock;
}

struct record {
	struct sks_request req;
	char spec[64];
};

static size_t make_record(struct record *record, uint16_t op, const char *label, const char *spec)
{
	size_t len = strlen(spec);

	*record = (struct record){ .req = { .version = SKS_WIRE_VERSION, .op = op } };
	record->req.spec_len = (uint32_t)len;
	memcpy(record->spec, spec, len);
	strcpy(record->req.label, label);
	(void)getrandom(record->req.instance, sizeof(record->req.instance), 0);
	return sizeof(record->req) + len;
}

static void ask(uint16_t op, const char *label, const char *spec, int fd)
{
	struct record record;
	size_t len = make_record(&record, op, label, spec);
	char reply[1024];
	int conn = greeted();

	send_fds(conn, &record, len, &fd, fd >= 0);
	(void)recv(conn, reply, sizeof(reply), 0);
	close(conn);
}

/* Keeps N connections and says nothing; anew as soon as one is dropped. */
static void be_silent(void)
{
	int *conns = calloc((size_t)number, sizeof(*conns));
	char byte;

	for (int i = 0;; i = (i + 1) % number) {
		if (conns[i] > 0 && recv(conns[i], &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0)
			continue;
		while (conns[i] > 0 && recv(conns[i], &byte, 1, MSG_DONTWAIT) > 0)
			;
		if (conns[i] > 0)
			close(conns[i]);
		conns[i] = try_connect();
		if (i == number - 1)
			say_busy();
	}
}

/* N connections, each of another user, and ever new ones; the one who starts it is root. */
static void be_many(void)
{
	int *conns = calloc((size_t)number, sizeof(*conns));

	for (uid_t i = 0;; i = (i + 1) % 65536) {
		int *conn = &conns[i % (uid_t)number];

		if (*conn > 0)
			close(*conn);
		if (seteuid(20000 + i))
			err(1, "seteuid");
		*conn = try_connect();
		if (seteuid(0))
			err(1, "seteuid");
		if (i == (uid_t)number)
			say_busy();
	}
}

/* Connects and goes, as fast as it can. */
static void churn(void)
{
	for (;;) {
		close(try_connect());
		say_busy();
	}
}

/* A byte a second, which is one record each. */
static void dribble(void)
{
	for (;;) {
		int conn = greeted();

		while (send(conn, "x", 1, MSG_NOSIGNAL) == 1) {
			say_busy();
			sleep(1);
		}
		close(conn);
	}
}

/* N descriptors with each record, and records as long as there is room. */
static void send_for_ever(void)
{
	int fds[MAX_FDS];

	for (int i = 0; i < number; i++)
		fds[i] = i % 2 ? listener() : open("/dev/null", O_RDONLY);
	for (;;) {
		int conn = greeted();

		for (int i = 0; i < 64; i++)
			send_fds(conn, "x", 1, fds, (size_t)number);
		close(conn);
		say_busy();
	}
}

/* Goes away at each point of the exchange. */
static void leave(void)
{
	struct record record;
	size_t len;

	for (int i = 0;; i++) {
		int conn = i % 4 ? greeted() : try_connect(), fd = listener();

		len = make_record(&record, i % 2 ? SKS_OP_REGISTER : SKS_OP_CHECK, "", "2000");
		if (i % 4 != 1)
			send_fds(conn, &record, i % 4 == 2 ? len / 2 : len, &fd, 1);
		if (i % 8 > 3)
			close(conn);
		close(fd);
		if (i % 8 <= 3)
			close(conn);
		say_busy();
	}
}

/* Asks for N reports and reads none of the answers. */
static void be_deaf(void)
{
	struct record record;
	size_t len;

	ask(SKS_OP_BIND, "deaf", "2000-2200", -1);
	for (int i = 0;; i++) {
		int conn = greeted();

		len = make_record(&record, SKS_OP_STATUS, "", "");
		send_fds(conn, &record, len, NULL, 0);
		if (i < number)
			continue;
		say_busy();
		(void)shutdown(conn, SHUT_WR);
		close(conn);
	}
}

/* Asks for a report and keeps it open, N times. */
static void collect(void)
{
	union {
		struct cmsghdr head;
		char buf[CMSG_SPACE(sizeof(int))];
	} ctl;
	struct record record;
	struct sks_reply reply;

	ask(SKS_OP_BIND, "deaf", "2000-2200", -1);
	for (int i = 0;; i++) {
		struct iovec iov = { &reply, sizeof(reply) };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = &ctl,
				      .msg_controllen = sizeof(ctl) };
		size_t len = make_record(&record, SKS_OP_STATUS, "", "");
		int conn = greeted();

		send_fds(conn, &record, len, NULL, 0);
		(void)recvmsg(conn, &msg, 0);
		close(conn);
		if (i > number)
			say_busy();
	}
}

/* Registers and unregisters. */
static void toggle(void)
{
	for (int i = 0;; i++) {
		int fd = listener();

		if (i % 2)
			ask(SKS_OP_REGISTER, "toggled", "2000-2255", fd);
		else
			ask(SKS_OP_REGISTER, "", "2000-2255", fd);
		if (i % 2)
			ask(SKS_OP_UNREGISTER, "toggled", "", -1);
		close(fd);
		say_busy();
	}
}

static int raced = -1;

static void *close_soon(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; i < (unsigned int)raced * 37 % 4000; i++)
		__asm__ volatile("");
	(void)shutdown(raced, SHUT_RD);
	close(raced);
	return NULL;
}

/* Closes what it registers at the same moment, sooner or later. */
static void race(void)
{
	struct record record;
	char reply[1024];
	pthread_t id;

	for (;;) {
		size_t len = make_record(&record, SKS_OP_REGISTER, "", "2000-2010");
		int conn = greeted();

		raced = listener();
		send_fds(conn, &record, len, &raced, 1);
		if (pthread_create(&id, NULL, close_soon, NULL))
			errx(1, "pthread_create");
		(void)recv(conn, reply, sizeof(reply), 0);
		pthread_join(id, NULL);
		close(conn);
		say_busy();
	}
}

/* Registers in a namespace that is gone the moment after, or before the helper has looked. */
static void be_in_dying_namespaces(void)
{
	struct record record;
	size_t len = make_record(&record, SKS_OP_REGISTER, "", "2000");

	for (int i = 0;; i++) {
		pid_t pid = fork();
		int fd;

		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
				err(1, "unshare");
			fd = listener();
			if (i % 2)
				ask(SKS_OP_REGISTER, "", "2000", fd);
			else
				send_fds(greeted(), &record, len, &fd, 1);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
		say_busy();
	}
}

/* Labels that would look like something else in a log or a terminal, and records of 10 KiB. */
static void babble(void)
{
	static const char *const labels[] = { "\x1b[2J\x1b[31mroot", "a\nsksteerd: granted",
					      "\x7f\xff\xfe", "../../etc", "%s%n%s%n" };
	char noise[10240];

	for (unsigned int i = 0;; i++) {
		int fd = listener(), conn;

		ask(SKS_OP_REGISTER, labels[i % 5], "2000", fd);
		memset(noise, 'A' + (int)(i % 26), sizeof(noise));
		conn = greeted();
		send_fds(conn, noise, sizeof(noise), &fd, 1);
		(void)recv(conn, noise, sizeof(noise), 0);
		close(conn);
		close(fd);
		say_busy();
	}
}

static const struct {
	const char *how;
	void (*run)(void);
} ways[] = {
	{ "silent", be_silent },
	{ "many", be_many },
	{ "churn", churn },
	{ "dribble", dribble },
	{ "send", send_for_ever },
	{ "leave", leave },
	{ "deaf", be_deaf },
	{ "collect", collect },
	{ "toggle", toggle },
	{ "race", race },
	{ "netns", be_in_dying_namespaces },
	{ "babble", babble },
};

int main(int argc, char **argv)
{
	struct rlimit limit;

	if (argc < 3 || strlen(argv[1]) >= sizeof(address.sun_path))
		errx(2, "usage: hostile SOCKET HOW [N]");
	strcpy(address.sun_path, argv[1]);
	number = argc > 3 ? atoi(argv[3]) : 1;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (!strcmp(ways[i].how, argv[2]))
			ways[i].run();
	}
	errx(2, "no such way: %s", argv[2]);
}
