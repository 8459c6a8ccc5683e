/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns `sksteerctl upgrade`: the course of it, and the way back before the move. */
#include "upgrade.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../common/cleanup.h"
#include "../../common/raw.h"

#define LINE_SIZE 2048

/* What others named must not reach a terminal as a command to it, nor break the line. */
static void make_line(char line[LINE_SIZE], const char *format, va_list args)
{
	(void)vsnprintf(line, LINE_SIZE, format, args);
	for (; *line; line++) {
		if ((unsigned char)*line < ' ' || *line == '\x7f')
			*line = '?';
	}
}

void sks_step(const char *format, ...)
{
	char line[LINE_SIZE];
	va_list args;

	va_start(args, format);
	make_line(line, format, args);
	va_end(args);
	(void)puts(line);
	(void)fflush(stdout);
}

int sks_upgrade_fail(const char *format, ...)
{
	char line[LINE_SIZE];
	va_list args;

	va_start(args, format);
	make_line(line, format, args);
	va_end(args);
	warnx("upgrade: %s", line);
	return SKS_CTL_FAILED;
}

static bool stands_by(const struct sks_seen_socket *socket, const void *unused)
{
	(void)unused;
	return socket->state == SKS_SEEN_STANDBY;
}

/* Of another upgrade; or of one that was killed, and had no time to stop it. */
static int fail_standby(const struct sks_upgrade *upgrade)
{
	struct sks_seen standby;
	pid_t pid;

	if (sks_seen_pick(&upgrade->old, stands_by, NULL, &standby))
		return sks_upgrade_fail("%s", strerror(ENOMEM));
	pid = sks_upgrade_holder(&standby, false);
	(void)sks_upgrade_fail("process %d stands by for \"%s\" already",
			       pid ? pid : standby.sockets[0].pid, upgrade->label);
	sks_seen_free(&standby);
	return SKS_CTL_FAILED;
}

static int check_start(struct sks_upgrade *upgrade)
{
	char why[SKS_CTL_WHYLEN];
	int err = sks_look(upgrade->ctl, upgrade->label, &upgrade->old, &upgrade->ports);

	if (err == 1)
		return SKS_CTL_FAILED;
	if (err == -ESRCH)
		return sks_upgrade_fail("no label \"%s\" of yours in this network namespace",
					upgrade->label);
	if (err)
		return sks_upgrade_fail("%s", sks_ctl_why(upgrade->ctl, err, why));
	if (sks_seen_count(&upgrade->old, SKS_SEEN_STANDBY))
		return fail_standby(upgrade);
	return 0;
}

static bool serves(const struct sks_seen_socket *socket, const void *unused)
{
	(void)unused;
	return socket->state == SKS_SEEN_SERVING;
}

static bool has_server(const struct sks_upgrade *upgrade)
{
	return sks_seen_count(&upgrade->old, SKS_SEEN_SERVING) > 0;
}

static int promote(struct sks_upgrade *upgrade)
{
	struct sks_request req = { .op = SKS_OP_PROMOTE };
	int status = sks_upgrade_look(upgrade); /* the old one may have changed meanwhile */
	char why[SKS_CTL_WHYLEN];
	struct sks_reply reply;
	int err;

	if (status)
		return status;
	memcpy(req.label, upgrade->label, strlen(upgrade->label));
	err = sks_ctl_call(upgrade->ctl, &req, NULL, &reply, NULL);
	if (err)
		return sks_upgrade_fail("%s", sks_ctl_why(upgrade->ctl, err, why));
	if (reply.err)
		return sks_upgrade_fail("%s", *reply.text ? reply.text : strerror(-reply.err));
	if (*reply.text)
		sks_step("note: %s", reply.text);
	return 0;
}

/* 0: the new instance serves, alone. */
static int move(struct sks_upgrade *upgrade)
{
	int status = sks_upgrade_start(upgrade);
	pid_t pid;

	status = status ? status : sks_upgrade_await(upgrade);
	if (!status && upgrade->ctl->ready)
		status = sks_upgrade_ready(upgrade);
	status = status ? status : sks_upgrade_watch(upgrade);
	/* Where no other instance serves, it was the current one at once. */
	if (!status && sks_seen_count(&upgrade->fresh, SKS_SEEN_STANDBY))
		status = promote(upgrade);
	if (status)
		return status;
	pid = sks_upgrade_holder(&upgrade->fresh, true);
	sks_step("moved: \"%s\" is served by process %d", upgrade->label,
		 pid ? pid : upgrade->child.pid);
	return 0;
}

static void take_back(struct sks_upgrade *upgrade)
{
	pid_t pid = upgrade->child.pid;

	if (pid && sks_children_stop())
		sks_step("stopped: process %d", pid);
	if (upgrade->old.n)
		sks_step("\"%s\" is served as before", upgrade->label);
}

static int run(struct sks_upgrade *upgrade)
{
	struct sks_seen serving;
	int status = check_start(upgrade);

	if (!status && sks_seen_pick(&upgrade->old, serves, NULL, &serving))
		status = sks_upgrade_fail("%s", strerror(ENOMEM));
	if (status)
		return status;
	sks_seen_free(&upgrade->old);
	upgrade->old = serving;
	upgrade->deadline = sks_now_us() + upgrade->ctl->timeout * 1000000LL;
	status = move(upgrade);
	if (status) {
		take_back(upgrade);
		return status;
	}
	if (!has_server(upgrade))
		return SKS_CTL_DONE;
	status = sks_upgrade_drain(upgrade);
	return status ? status : sks_upgrade_leave(upgrade);
}

/*
 * All that descends from us is to be the new instance. Where a shell has become us that had started
 * something before, a process of its own does the work.
 */
static int stand_alone(int *ret_status)
{
	siginfo_t unused;
	pid_t pid;

	if (waitid(P_ALL, 0, &unused, WEXITED | WNOHANG | WNOWAIT) && errno == ECHILD)
		return 0;
	pid = fork();
	if (pid <= 0)
		return pid < 0 ? -errno : 0;
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
	*ret_status = WIFEXITED(*ret_status) ? WEXITSTATUS(*ret_status) : SKS_CTL_FAILED;
	return 1;
}

int sks_ctl_upgrade(const struct sks_ctl *ctl)
{
	struct sks_upgrade upgrade = {
		.ctl = ctl,
		.label = ctl->operands[0],
		.command = ctl->command[0],
	};
	CLEANUP_FD int netns = -1;
	int status = 0, err;

	if (sks_ctl_check_label(ctl, upgrade.label))
		return SKS_CTL_USAGE;
	err = stand_alone(&status);
	if (err > 0)
		return status;
	err = err ? err : sks_children_begin();
	netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (err || netns < 0)
		return sks_upgrade_fail("%s", strerror(err ? -err : errno));
	upgrade.netns = netns;
	status = run(&upgrade);
	sks_seen_free(&upgrade.old);
	sks_seen_free(&upgrade.fresh);
	return status;
}
