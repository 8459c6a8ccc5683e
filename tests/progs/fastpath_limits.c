/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the least that shows what a local fast path breaks: fastpath_limits plain|redirected WHAT.
 *
 * Two TCP sockets of one connection over loopback. "redirected": both are in socket maps, and a
 * sk_msg program puts what the sender sends into the receiver's other queue (BPF_F_INGRESS), past
 * TCP. One line on stdout says what a program sees; the test compares it with that of plain TCP.
 * What lies in that queue is read by recvmsg(2) alone, and only by a call that begins afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "fastpath_limits.h"

#define ENOUGH (64 << 20) /* several times what TCP buffers at most (tcp_rmem, tcp_wmem) */

static void redirect(void)
{
	divert(true);
}

static void stay(void)
{
}

static void tell(const char *text)
{
	need(write(from, text, strlen(text)) == (ssize_t)strlen(text), "write");
}

static short polls(int fd, short events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	return (short)(poll(&p, 1, ms) == 1 ? p.revents : 0);
}

/* From here on the receiver has it, on either way. */
static void arrived(void)
{
	need(polls(to, POLLIN, 5000) & POLLIN, "nothing arrives");
}

static void say(ssize_t n)
{
	printf("%s\n", n < 0 ? strerrorname_np(errno) : n ? "the data" : "the end");
}

static void splice_from(void (*begin)(void))
{
	int ends[2];

	begin();
	tell("hello");
	arrived();
	need(!pipe(ends) && !fcntl(to, F_SETFL, O_NONBLOCK), "pipe"); /* else it sleeps for ever */
	say(splice(to, NULL, ends[1], NULL, 5, SPLICE_F_NONBLOCK));
}

/* A thread that receives, and whether it is asleep in its call. */
static volatile pid_t reader;
static int reader_flags;
static char got[16];

static void *receive(void *unused)
{
	(void)unused;
	__atomic_store_n(&reader, gettid(), __ATOMIC_RELEASE);
	if (recv(to, got, sizeof(got) - 1, reader_flags) < 0)
		snprintf(got, sizeof(got), "%s", strerrorname_np(errno));
	return NULL;
}

static char state_of(pid_t tid)
{
	char path[64], line[256], *end;
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	stat = fopen(path, "re");
	if (!stat)
		return 'X';
	end = fgets(line, sizeof(line), stat) ? strrchr(line, ')') : NULL;
	fclose(stat);
	return end ? end[2] : 'X';
}

/* It sleeps in its call, and still does so after a while, or has ended. */
static void settle(void)
{
	pid_t tid;

	while (!(tid = __atomic_load_n(&reader, __ATOMIC_ACQUIRE)))
		sched_yield();
	for (int asleep = 0; asleep < 50; usleep(1000)) {
		char state = state_of(tid);

		if (state == 'X')
			break;
		asleep = state == 'S' ? asleep + 1 : 0;
	}
}

static pthread_t start_reader(int flags)
{
	pthread_t thread;

	reader_flags = flags;
	need(!pthread_create(&thread, NULL, receive, NULL), "pthread_create");
	settle();
	return thread;
}

/* Room to send comes while he waits to receive. */
static void wait_full(void (*begin)(void))
{
	static char block[1 << 16];
	pthread_t thread;

	begin();
	while (send(to, block, sizeof(block), MSG_DONTWAIT) > 0)
		;
	thread = start_reader(0);
	while (!polls(to, POLLOUT, 0))
		recv(from, block, sizeof(block), MSG_DONTWAIT);
	settle();
	tell("hello");
	pthread_join(thread, NULL);
	printf("%s\n", got);
}

/* More is asked for than is there; the rest comes later, then the end. */
static void wait_for_all(void (*begin)(void))
{
	pthread_t thread;

	begin();
	tell("hello");
	arrived();
	thread = start_reader(MSG_WAITALL);
	tell("world");
	shutdown(from, SHUT_WR);
	pthread_join(thread, NULL);
	printf("%s\n", got);
}

/* Who waits in recv(2) already when his socket joins. */
static void wait_before(void (*begin)(void))
{
	struct timespec limit;
	pthread_t thread = start_reader(0);

	begin();
	tell("hello");
	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += 2;
	if (!pthread_timedjoin_np(thread, NULL, &limit))
		printf("%s\n", got);
	else
		printf("sleeps, %s\n", polls(to, POLLIN, 0) ? "readable" : "not readable");
}

static void low_water(void (*begin)(void))
{
	int mark = 10, queued = 0;

	begin();
	need(!setsockopt(to, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof(mark)), "SO_RCVLOWAT");
	tell("hello");
	while (queued < 5 && !polls(to, POLLIN, 0))
		need(!ioctl(to, FIONREAD, &queued), "FIONREAD");
	printf("%s\n", polls(to, POLLIN, 0) ? "readable" : "not readable");
}

/* Is it in the stream? */
static void urgent(void (*begin)(void))
{
	char c;

	begin();
	need(send(from, "!", 1, MSG_OOB) == 1, "send");
	need(polls(to, POLLIN | POLLPRI, 5000), "nothing arrives");
	say(recv(to, &c, 1, MSG_DONTWAIT));
}

static void close_unread(void (*begin)(void))
{
	char c;

	begin();
	tell("hello");
	arrived();
	close(to);
	say(recv(from, &c, 1, 0));
}

/* How much a receiver is sent who does not read. */
static void unread(void (*begin)(void))
{
	static char block[1 << 16];
	size_t sent = 0;

	begin();
	while (sent < ENOUGH) {
		ssize_t n = send(from, block, sizeof(block), MSG_DONTWAIT);

		if (n < 0 && !polls(from, POLLOUT, 200))
			break;
		sent += n > 0 ? (size_t)n : 0;
	}
	printf("%s\n", sent < ENOUGH ? "stopped" : "not stopped");
}

static void leave(void (*begin)(void))
{
	char buf[16];

	begin();
	tell("hello");
	arrived();
	if (to_map >= 0)
		change(to_map, BPF_MAP_DELETE_ELEM, NULL);
	say(recv(to, buf, sizeof(buf), MSG_DONTWAIT));
}

static void zero_copy(void (*begin)(void))
{
	char control[256], page[4096] = "";
	struct msghdr msg = { .msg_control = control, .msg_controllen = sizeof(control) };
	int one = 1;

	begin();
	need(!setsockopt(from, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)), "SO_ZEROCOPY");
	need(send(from, page, sizeof(page), MSG_ZEROCOPY) == sizeof(page), "send");
	need(recv(to, page, sizeof(page), MSG_WAITALL) == sizeof(page), "recv");
	printf("%s\n", polls(from, POLLERR, 1000) && recvmsg(from, &msg, MSG_ERRQUEUE) >= 0
			       ? "completed"
			       : "never completed");
}

/* What was sent before the sockets joined, and is not read yet, is overtaken. */
static void order(void (*begin)(void))
{
	tell("1");
	arrived();
	begin();
	tell("2");
	need(recv(to, got, 1, 0) == 1 && recv(to, got + 1, 1, 0) == 1, "recv");
	printf("%s\n", got);
}

/* Nanoseconds of this thread for so many writes. */
static unsigned long stream(int out, int in)
{
	static char small[1024], large[1 << 16];
	struct timespec began, ended;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &began);
	for (int burst = 0; burst < 50; burst++) {
		for (size_t i = 0; i < sizeof(large) / sizeof(small); i++)
			need(write(out, small, sizeof(small)) == sizeof(small), "write");
		need(recv(in, large, sizeof(large), MSG_WAITALL) == sizeof(large), "recv");
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ended);
	return (unsigned long)(ended.tv_sec - began.tv_sec) * 1000000000UL +
	       (unsigned long)ended.tv_nsec - (unsigned long)began.tv_nsec;
}

static int cost(void)
{
	unsigned long plain = -1UL, passed = -1UL;
	int out, in;

	connect_both();
	out = from;
	in = to;
	connect_both();
	divert(false);
	for (int round = 0; round < 40; round++) {
		unsigned long a = stream(out, in), b = stream(from, to);

		plain = a < plain ? a : plain;
		passed = b < passed ? b : passed;
	}
	printf("%lu\n", passed * 100 / plain);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*show)(void (*begin)(void));
	} cases[] = {
		{ "splice", splice_from }, { "waitall", wait_for_all }, { "waiting", wait_before },
		{ "lowat", low_water },	   { "urgent", urgent },	{ "close", close_unread },
		{ "unread", unread },	   { "leave", leave },		{ "zerocopy", zero_copy },
		{ "order", order },	   { "full", wait_full },
	};

	if (argc == 2 && !strcmp(argv[1], "cost"))
		return cost();
	if (argc != 3 || (strcmp(argv[1], "plain") && strcmp(argv[1], "redirected")))
		errx(2, "usage: fastpath_limits plain|redirected WHAT, or fastpath_limits cost");
	connect_both();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (!strcmp(argv[2], cases[i].name)) {
			cases[i].show(strcmp(argv[1], "plain") ? redirect : stay);
			fflush(stdout);
			_exit(0); /* past a reader that sleeps for ever */
		}
	}
	errx(2, "no such case: %s", argv[2]);
}
