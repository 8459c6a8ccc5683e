/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how verbs that go on until they are interrupted wait (see await.h). */
#include "await.h"

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

int sks_await_signals(void)
{
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		warn("signalfd");
	return fd;
}

enum sks_end sks_await(int fd, int signals, int ms)
{
	struct pollfd polls[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = STDOUT_FILENO },
		{ .fd = fd, .events = POLLIN },
	};

	if (ferror(stdout)) /* a full disk; our main file says so */
		return SKS_TOLD_TO_END;
	if (poll(polls, 3, ms) < 0)
		return errno == EINTR ? SKS_GOES_ON : SKS_TOLD_TO_END;
	return polls[0].revents || polls[1].revents ? SKS_TOLD_TO_END : SKS_GOES_ON;
}
