/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns what servers do that a library in their process has to survive: each case is a server at
 * 0.0.0.0#5353 and its clients, who ask at PORT and say what they hear: udphazard CASE PORT.
 */
#include <sys/resource.h>
#include <time.h>

#include "udphazard_closed.h"
#include "udphazard_connect.h"
#include "udphazard_sandbox.h"

#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY 0x4000000
#define SO_ZEROCOPY  60
#endif

/* --- descriptors -------------------------------------------------------------------------------- */

static int value_of(int fd)
{
	int value = -1;
	socklen_t len = sizeof(value);

	if (getsockopt(fd, IPPROTO_IP, IP_RECVORIGDSTADDR, &value, &len))
		err(2, "getsockopt");
	return value;
}

/* 0: there is none. */
static unsigned int original_port(struct msghdr *msg)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	struct sockaddr_in at = {};

	if (cmsg && cmsg->cmsg_level == IPPROTO_IP && cmsg->cmsg_type == IP_ORIGDSTADDR)
		memcpy(&at, CMSG_DATA(cmsg), sizeof(at));
	return ntohs(at.sin_port);
}

/* A second socket of the same process has asked for it itself, and is nobody's but its own. */
static void original_address(void)
{
	_Alignas(struct cmsghdr) char control[128];
	int server = new_server(), other = bound_to(INADDR_LOOPBACK, 9000), client = new_client();
	char text[100];
	struct iovec iov = { text, sizeof(text) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };

	option(other, IPPROTO_IP, IP_RECVORIGDSTADDR, 1);
	printf("other is set: %d\n", value_of(other));
	ask_at(client, 9000, "other");
	if (recvmsg(other, &msg, 0) != 5)
		err(2, "recvmsg");
	printf("other is told %u\n", original_port(&msg));
	printf("server is set: %d\n", value_of(server));
	ask(client, "server");
	serve_one(server);
	hear("client", client);
}

/* Asked for by one descriptor of the server's socket, received by another. */
static void original_of_dup(void)
{
	_Alignas(struct cmsghdr) char control[128];
	int server = new_server(), copy = dup(server), client = new_client();
	char text[100];
	struct iovec iov = { text, sizeof(text) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };

	option(server, IPPROTO_IP, IP_RECVORIGDSTADDR, 1);
	ask(client, "server");
	if (recvmsg(copy, &msg, 0) != 6)
		err(2, "recvmsg");
	printf("dup is told %u\n", original_port(&msg));
}

/* Of 64 descriptors. */
static void few_descriptors(void)
{
	const struct rlimit limit = { 64, 64 };
	int server, client, n = 0, right = 0;

	if (setrlimit(RLIMIT_NOFILE, &limit))
		err(2, "setrlimit");
	server = new_server();
	client = new_client();
	for (int port = 1000; port < 1040; port++) {
		char text[100];
		union address from;

		ask_at(client, port, "port");
		serve_one(server);
		from = take_question(client, text);
		right += address_port(&from) == port;
	}
	while (open("/dev/null", O_RDONLY) >= 0)
		n++;
	printf("%d right, %s\n", right, n >= 64 - 5 - 8 ? "room is left" : "no room is left");
	if (n < 64 - 5 - 8)
		printf("only %d could be opened\n", n);
}

/* --- sending ------------------------------------------------------------------------------------ */

static void corked(void)
{
	int server = new_server(), client = new_client();
	union address peer;
	char text[100];

	ask(client, "cork");
	peer = take_question(server, text);
	option(server, IPPROTO_UDP, UDP_CORK, 1);
	give_answer(server, "c", &peer, 0);
	give_answer(server, "d", &peer, 0);
	option(server, IPPROTO_UDP, UDP_CORK, 0);
	hear("client", client);
	ask(client, "whole");
	serve_one(server);
	hear("client", client);
}

static void zerocopy(void)
{
	_Alignas(struct cmsghdr) char control[256];
	struct msghdr msg = { .msg_control = control, .msg_controllen = sizeof(control) };
	int server = new_server(), client = new_client();
	struct pollfd p = { .fd = server };
	union address peer;
	char text[100];

	option(server, SOL_SOCKET, SO_ZEROCOPY, 1);
	ask(client, "zerocopy");
	peer = take_question(server, text);
	give_answer(server, text, &peer, MSG_ZEROCOPY);
	hear("client", client);
	(void)poll(&p, 1, 5000);
	printf("completion: %d\n", recvmsg(server, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) == 0);
}

/* --- threads ------------------------------------------------------------------------------------ */

static int shared_server;

static void *take_one(void *peer)
{
	char text[100];

	*(union address *)peer = take_question(shared_server, text);
	return NULL;
}

/* One thread answers its own question, and then what another one has received. */
static void hands_on(void)
{
	int client = new_client();
	union address peer;
	pthread_t thread;

	shared_server = new_server();
	for (int i = 0; i < 2; i++) {
		union address copy;

		ask(client, "own");
		serve_one(shared_server);
		hear("client", client);
		ask_at(client, OTHER, "other's");
		if (pthread_create(&thread, NULL, take_one, &peer) || pthread_join(thread, NULL))
			errx(2, "no thread");
		copy = peer;
		give_answer(shared_server, "other's", &copy, 0);
		hear("client", client);
		give_answer(shared_server, "more", &copy, 0);
		hear("client", client);
	}
}

static void take_into(int server, union address *peer)
{
	socklen_t len = sizeof(*peer);
	char text[100];

	if (recvfrom(server, text, sizeof(text), 0, &peer->any, &len) < 0)
		err(2, "recvfrom");
}

/* A client asks twice at two ports; each answer is too long at first, and then shorter. */
static void too_long(void)
{
	static const char text[70000];
	int server = new_server(), client = new_client();
	union address peers[4];

	for (int i = 0; i < 4; i++) {
		ask_at(client, i % 2 ? OTHER : asked_port, "question");
		take_into(server, &peers[i]);
	}
	for (int i = 0; i < 4; i++) {
		if (sendto(server, text, sizeof(text), 0, &peers[i].any, sizeof(peers[i].in)) >= 0)
			errx(2, "it is not too long");
		give_answer(server, "shorter", &peers[i], 0);
		hear("client", client);
	}
}

/* --- others ------------------------------------------------------------------------------------- */

/* What a server has had for its answers is gone when its socket is closed, and it lives on. */
static void gone(void)
{
	int server = new_server(), client = new_client();
	char port[16];
	pid_t child;

	ask(client, "question");
	serve_one(server);
	hear("client", client);
	if (close(server))
		err(2, "close");
	snprintf(port, sizeof(port), "%d", asked_port);
	child = forked();
	if (!child) {
		unsetenv("LD_PRELOAD");
		execl("/proc/self/exe", "udphazard", "bind", port, NULL);
		_exit(3);
	}
	say_end("other", child);
}

static void just_bind(void)
{
	close(bound_to(INADDR_LOOPBACK, asked_port));
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* One question at that port, whose answer is timed. Where it comes from. */
static unsigned int timed_answer(int server, int client, int port, int64_t *ret_ms)
{
	struct pollfd p = { .fd = server, .events = POLLIN };
	union address peer, from;
	char text[100];

	ask_at(client, port, "question");
	if (poll(&p, 1, 5000) != 1)
		err(2, "no question comes");
	peer = take_question(server, text);
	*ret_ms = now_ms();
	give_answer(server, text, &peer, 0);
	*ret_ms = now_ms() - *ret_ms;
	from = take_question(client, text);
	return address_port(&from);
}

/* "stop", "go": so much a case may say to the test, and waits until it is done. */
static void tell_test(const char *what)
{
	char line[8];

	printf("%s\n", what);
	if (!fgets(line, sizeof(line), stdin))
		errx(2, "the test does not answer");
}

/* While the helper is stopped an answer that does not block is not held up for long, and only once.
 */
static void stopped(void)
{
	int server = new_server(), client = new_client();
	unsigned int from;
	int64_t ms, all = 0, end;

	if (fcntl(server, F_SETFL, O_NONBLOCK))
		err(2, "O_NONBLOCK");
	tell_test("stop");
	from = timed_answer(server, client, asked_port, &ms);
	printf("first from %u, %s\n", from, ms < 2500 ? "in time" : "late");
	if (ms >= 2500)
		printf("after %lld ms\n", (long long)ms);
	for (int i = 0; i < 5; i++) {
		from = timed_answer(server, client, asked_port, &ms);
		printf("later from %u\n", from);
		all += ms;
	}
	printf("later %s\n", all < 500 ? "at once" : "late");
	if (all >= 500)
		printf("after %lld ms\n", (long long)all);
	tell_test("go");
	end = now_ms() + 25000; /* it rests for 10 s */
	do
		from = timed_answer(server, client, asked_port, &ms);
	while (from != (unsigned int)asked_port && now_ms() < end && !usleep(20000));
	printf("in the end from %u\n", from);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} cases[] = {
		{ "sandbox-prctl", sandbox_prctl },
		{ "sandbox-seccomp", sandbox_seccomp },
		{ "sandbox-messages", sandbox_messages },
		{ "sandbox-pair", sandbox_pair },
		{ "closed-file", closed_file },
		{ "closed-tcp", closed_tcp },
		{ "closed-rights", closed_rights },
		{ "closed-client", closed_client },
		{ "closed-all", closed_all },
		{ "given", given },
		{ "dissolves", dissolves },
		{ "background", background },
		{ "moves-on", moves_on },
		{ "polled", polled },
		{ "forks", forks },
		{ "asks-elsewhere", asks_elsewhere },
		{ "meets", meets },
		{ "hands-on", hands_on },
		{ "too-long", too_long },
		{ "original-address", original_address },
		{ "original-of-dup", original_of_dup },
		{ "few-descriptors", few_descriptors },
		{ "corked", corked },
		{ "zerocopy", zerocopy },
		{ "gone", gone },
		{ "bind", just_bind },
		{ "stopped", stopped },
	};

	if (argc != 3)
		errx(2, "usage: udphazard CASE PORT");
	asked_port = atoi(argv[2]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (!strcmp(cases[i].name, argv[1])) {
			cases[i].run();
			return 0;
		}
	}
	errx(2, "no such case: %s", argv[1]);
}
