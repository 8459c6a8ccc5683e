/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the server of calls.c does to its stderr. */
#ifndef SKSTEER_TESTS_CALLS_STDERR_H
#define SKSTEER_TESTS_CALLS_STDERR_H

#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static int stderr_peer = -1;

/* Starts the program anew for the words that are left. */
static void do_exec(void);

/* A client's connection gets the number of a closed stderr. */
static void do_stderr_socket(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		err(2, "socketpair");
	dup2(pair[0], STDERR_FILENO);
	stderr_peer = pair[1];
}

static void do_stderr_read(void)
{
	struct pollfd p = { .fd = stderr_peer, .events = POLLIN };

	printf("stderr %s\n", poll(&p, 1, 0) ? "written to" : "untouched");
	fflush(stdout);
}

/* stderr is such a pipe from the start, as the library sees it. */
static void pipe_as_stderr(int full)
{
	static char page[4096];
	int pair[2];

	if (pipe(pair))
		err(2, "pipe");
	if (full) {
		fcntl(pair[1], F_SETFL, O_NONBLOCK);
		while (write(pair[1], page, sizeof(page)) > 0)
			;
		fcntl(pair[1], F_SETFL, 0);
	} else {
		close(pair[0]);
	}
	dup2(pair[1], STDERR_FILENO);
	close(pair[1]);
	do_exec();
}

static void do_stderr_full(void)
{
	pipe_as_stderr(1);
}

static void do_stderr_broken(void)
{
	pipe_as_stderr(0);
}

#endif
