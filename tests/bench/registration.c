// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns the measuring of a registration: the library's exchange with a real helper, against the
 * least that any exchange with another process can cost, everybody on one CPU.
 *
 *	registration SOCKET: of a helper, which runs on the last CPU that we may use.
 */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/un.h>

#include "bench.h"
#include "../../common/wire.h"

#define ROUNDS	   61
#define A_ROUND	   16 /* sockets of a kind that are open at once; kinds take turns */
#define SAMPLES	   (ROUNDS * A_ROUND)
#define FIRST_PORT 10000
#define NOBODY	   65534

enum kind { PING, NEW_SERVICE, ONE_MORE, NEW_LABEL, UNPRIVILEGED, KINDS };

static const struct {
	const char *row, *goal;
} rows[KINDS] = {
	[PING] = { "bare SEQPACKET ping-pong", "" },
	[NEW_SERVICE] = { "registration round trip / bare SEQPACKET ping-pong", "<= 6" },
	[ONE_MORE] = { "registration, one more socket of a service / ping-pong", "" },
	[NEW_LABEL] = { "registration, first socket of a label / ping-pong", "" },
	[UNPRIVILEGED] = { "registration by an unprivileged user / ping-pong", "" },
};

static double took[KINDS][SAMPLES]; /* microseconds */
static size_t n_took[KINDS];
static const char *helper;

/* Abstract, so that nothing is left behind. */
static struct sockaddr_un ping_address(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	(void)snprintf(sun.sun_path + 1, sizeof(sun.sun_path) - 1, "sksteer-bench-%d", getpgrp());
	return sun;
}

/* The least that a helper could do: accept, one record in, one record out. */
static void start_ponger(void)
{
	struct sockaddr_un sun = ping_address();
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sks_request req;
	struct sks_reply reply = {};
	pid_t child;

	need(sock >= 0 && !bind(sock, (struct sockaddr *)&sun, sizeof(sun)) && !listen(sock, 1),
	     "ping-pong");
	child = fork();
	need(child >= 0, "fork");
	if (child) {
		close(sock);
		return;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int conn = accept4(sock, NULL, NULL, SOCK_CLOEXEC);

		if (conn < 0 || recv(conn, &req, sizeof(req), 0) != sizeof(req) ||
		    send(conn, &reply, sizeof(reply), MSG_NOSIGNAL) != sizeof(reply))
			_exit(1);
		close(conn);
	}
}

static double ping(void)
{
	struct sockaddr_un sun = ping_address();
	struct sks_request req = {};
	struct sks_reply reply;
	uint64_t begin = clock_ns(CLOCK_MONOTONIC);
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	need(sock >= 0 && !connect(sock, (struct sockaddr *)&sun, sizeof(sun)) &&
		     send(sock, &req, sizeof(req), MSG_NOSIGNAL) == sizeof(req) &&
		     recv(sock, &reply, sizeof(reply), 0) == sizeof(reply),
	     "ping");
	close(sock);
	return us_since(begin);
}

/* A port of 0: one that is free. *ret_port is which. */
static int listen_on(uint16_t port, uint16_t *ret_port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(sin);

	need(sock >= 0, "socket");
	set_option(sock, SOL_SOCKET, SO_REUSEPORT, 1);
	need(!bind(sock, (struct sockaddr *)&sin, sizeof(sin)) && !listen(sock, 16) &&
		     !getsockname(sock, (struct sockaddr *)&sin, &len),
	     "a listener");
	*ret_port = ntohs(sin.sin_port);
	return sock;
}

/* What listen(2) of a preloaded server asks, with one port; i tells services and labels apart. */
static struct sks_request request(enum sks_op op, enum kind kind, unsigned int i, char spec[16])
{
	struct sks_request req = { .version = SKS_WIRE_VERSION, .op = (uint16_t)op };

	req.spec_len = (uint32_t)snprintf(spec, 16, "%u", FIRST_PORT + i);
	if (kind == NEW_LABEL)
		(void)snprintf(req.label, sizeof(req.label), "bench-%u", i);
	if (op == SKS_OP_REGISTER) {
		memcpy(req.instance, &i, sizeof(i));
		req.instance[15] = (uint8_t)(kind + 1);
	}
	return req;
}

static double register_socket(enum kind kind, unsigned int i, int sock)
{
	struct sks_reply reply;
	char spec[16];
	struct sks_request req = request(SKS_OP_REGISTER, kind, i, spec);
	uint64_t begin;
	double us;
	int err;

	need(!seteuid(kind == UNPRIVILEGED ? NOBODY : 0), "seteuid");
	begin = clock_ns(CLOCK_MONOTONIC);
	err = sks_wire_call(helper, &req, spec, sock, 900, &reply, NULL);
	us = us_since(begin);
	need(!seteuid(0), "seteuid");
	if (err || reply.err || !reply.steered)
		errx(1, "%s: %s", rows[kind].row, err ? strerror(-err) : reply.text);
	return us;
}

/* Before it looks for the label, which need not be there, the helper forgets what was closed. */
static void unbind(unsigned int i)
{
	struct sks_reply reply;
	char spec[16];
	struct sks_request req = request(SKS_OP_UNBIND, NEW_LABEL, i, spec);
	int err = sks_wire_call(helper, &req, spec, -1, 900, &reply, NULL);

	if (err || (reply.err && reply.err != -ENOENT))
		errx(1, "unbind: %s", err ? strerror(-err) : reply.text);
}

static void run_round(enum kind kind)
{
	int socks[A_ROUND + 1];
	uint16_t port = 0;

	/* One more, as the first socket of a group is a new service and no further one. */
	for (unsigned int i = 0; i < A_ROUND + 1; i++) {
		double us;

		if (kind == PING) {
			us = ping();
		} else {
			socks[i] = listen_on(kind == ONE_MORE ? port : 0, &port);
			us = register_socket(kind, kind == ONE_MORE ? 0 : i, socks[i]);
		}
		if (i)
			took[kind][n_took[kind]++] = us;
	}
	if (kind == PING)
		return;
	for (unsigned int i = 0; i < A_ROUND + 1; i++)
		close(socks[i]);
	for (unsigned int i = 0; i < (kind == NEW_LABEL ? A_ROUND + 1 : 1); i++)
		unbind(i);
}

int main(int argc, char **argv)
{
	double median[KINDS];

	if (argc != 2)
		errx(2, "usage: registration SOCKET");
	helper = argv[1];
	stay_on_one_cpu();
	start_ponger();
	for (int round = 0; round < ROUNDS; round++) {
		for (enum kind kind = 0; kind < KINDS; kind++)
			run_round(kind);
	}
	for (enum kind kind = 0; kind < KINDS; kind++) {
		median[kind] = quantile(took[kind], n_took[kind], 0.5);
		(void)fprintf(stderr, "    %s: %.1f us\n", rows[kind].row, median[kind]);
	}
	for (enum kind kind = NEW_SERVICE; kind < KINDS; kind++)
		print_row(rows[kind].row, median[kind] / median[PING], "ratio", rows[kind].goal);
	return 0;
}
