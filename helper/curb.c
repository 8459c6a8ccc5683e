// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns how long it may take to let go of what strangers have sent (see curb.h). */
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "curb.h"

#define CURB_US 100

static unsigned int depth;

/* Without SA_RESTART and not ignored: else it would interrupt nothing. */
static void on_alarm(int number)
{
	(void)number;
}

void sks_curb_init(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	sigset_t alarms;

	(void)sigemptyset(&alarms);
	(void)sigaddset(&alarms, SIGALRM);
	(void)sigaction(SIGALRM, &action, NULL);
	(void)sigprocmask(SIG_UNBLOCK, &alarms, NULL);
}

static void set_timer(long us)
{
	const struct itimerval timer = { { .tv_usec = us }, { .tv_usec = us } };

	(void)setitimer(ITIMER_REAL, &timer, NULL);
}

void sks_curb_begin(void)
{
	if (!depth++)
		set_timer(CURB_US);
}

void sks_curb_end(void)
{
	if (!--depth)
		set_timer(0);
}

/*
 * Nothing more comes once reading is shut down. Then a read gives 0 at the end, and 0 for an empty
 * record too; but a record has a sender, for whose credentials there is no room here.
 */
static bool has_more(int conn)
{
	char byte;
	int one = 1;
	struct iovec iov = { &byte, sizeof(byte) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	(void)shutdown(conn, SHUT_RD);
	(void)setsockopt(conn, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
	return recvmsg(conn, &msg, MSG_PEEK | MSG_DONTWAIT) > 0 || msg.msg_flags & MSG_CTRUNC;
}

void sks_curb_hang_up(int conn)
{
	bool more = has_more(conn);

	if (more)
		sks_curb_begin();
	(void)close(conn);
	if (more)
		sks_curb_end();
}
