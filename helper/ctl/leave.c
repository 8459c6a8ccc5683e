/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the end of the old instance: who is signalled, and the wait for the end. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../common/raw.h"
#include "signals.h"
#include "upgrade.h"

#define POLL_MS 20
#define LEFT_US 1000000

struct leaver {
	pid_t pid;
	int pidfd;
};

struct leavers {
	struct leaver *list;
	size_t n;
};

static bool is_leaver(const struct leavers *leavers, pid_t pid)
{
	for (size_t i = 0; i < leavers->n; i++) {
		if (leavers->list[i].pid == pid)
			return true;
	}
	return false;
}

/* Instances that share a listener have a topmost process each. */
static int choose_leavers(const struct sks_holders *holders, struct leavers *ret_leavers)
{
	struct leavers leavers = { .list = calloc(holders->n + 1, sizeof(*leavers.list)) };

	if (!leavers.list)
		return -ENOMEM;
	for (size_t i = 0; i < holders->n; i++) {
		pid_t top = sks_holders_top(holders, holders->list[i].pid);
		int pidfd;

		if (is_leaver(&leavers, top))
			continue;
		pidfd = (int)syscall(SYS_pidfd_open, top, 0);
		if (pidfd >= 0)
			leavers.list[leavers.n++] = (struct leaver){ top, pidfd };
	}
	*ret_leavers = leavers;
	return 0;
}

static void free_leavers(struct leavers *leavers)
{
	for (size_t i = 0; i < leavers->n; i++)
		(void)close(leavers->list[i].pidfd);
	free(leavers->list);
}

/* Of a number that has been given to another process meanwhile, nothing is true. */
static int find_leavers(const struct sks_upgrade *upgrade, struct leavers *ret_leavers)
{
	struct sks_holders before, now;
	size_t kept = 0;
	int err = sks_upgrade_holders(&upgrade->old, false, &before);

	if (err)
		return err;
	err = choose_leavers(&before, ret_leavers);
	free(before.list);
	if (err)
		return err;
	err = sks_upgrade_holders(&upgrade->old, false, &now);
	for (size_t i = 0; !err && i < ret_leavers->n; i++) {
		if (sks_holds(&now, ret_leavers->list[i].pid))
			ret_leavers->list[kept++] = ret_leavers->list[i];
		else
			(void)close(ret_leavers->list[i].pidfd);
	}
	if (err) {
		free_leavers(ret_leavers);
		return err;
	}
	ret_leavers->n = kept;
	free(now.list);
	return 0;
}

static const char *signal_name(int sig, char buf[24])
{
	const char *name = sks_signal_name(sig);

	if (name)
		(void)snprintf(buf, 24, "SIG%s", name);
	else
		(void)snprintf(buf, 24, "signal %d", sig);
	return buf;
}

static int signal_leavers(const struct sks_upgrade *upgrade, const struct leavers *leavers)
{
	int status = 0, sig = upgrade->ctl->signal;
	char name[24];

	for (size_t i = 0; i < leavers->n; i++) {
		const struct leaver *one = &leavers->list[i];

		if (syscall(SYS_pidfd_send_signal, one->pidfd, sig, NULL, 0) && errno != ESRCH)
			status = sks_upgrade_fail("cannot signal process %d: %s", one->pid,
						  strerror(errno));
		else
			sks_step("signalled: process %d, %s", one->pid, signal_name(sig, name));
	}
	return status;
}

static int fail_leaving(const struct sks_upgrade *upgrade, pid_t pid, int sig)
{
	char name[24];

	if (sig)
		(void)sks_upgrade_fail("SIG%s came before process %d had ended",
				       sks_signal_name(sig), pid);
	else
		(void)sks_upgrade_fail("process %d has not ended within %u s of %s", pid,
				       upgrade->ctl->timeout,
				       signal_name(upgrade->ctl->signal, name));
	return sig ? 128 + sig : SKS_CTL_FAILED;
}

static int wait_for_leavers(const struct sks_upgrade *upgrade, const struct leavers *leavers)
{
	int64_t deadline = sks_now_us() + upgrade->ctl->timeout * 1000000LL;
	int sig = 0;

	for (size_t i = 0; i < leavers->n; i++) {
		struct pollfd poll_fd = { .fd = leavers->list[i].pidfd, .events = POLLIN };

		while (poll(&poll_fd, 1, 0) <= 0) {
			if (sig || sks_now_us() >= deadline)
				return fail_leaving(upgrade, leavers->list[i].pid, sig);
			sig = sks_children_pause(POLL_MS);
			(void)sks_children_left();
		}
		sks_step("ended: process %d", leavers->list[i].pid);
	}
	return 0;
}

/* Some leave processes behind that have the listener, and would have to be ended by hand. */
static void say_left(struct sks_upgrade *upgrade)
{
	int64_t deadline = sks_now_us() + LEFT_US;
	pid_t pid;

	while (sks_upgrade_old_is_open(upgrade) && sks_now_us() < deadline)
		(void)sks_children_pause(POLL_MS);
	pid = sks_upgrade_old_is_open(upgrade) ? sks_upgrade_holder(&upgrade->old, false) : 0;
	if (pid)
		sks_step("note: process %d still has the old listener open", pid);
}

int sks_upgrade_leave(struct sks_upgrade *upgrade)
{
	struct leavers leavers;
	int status, err = find_leavers(upgrade, &leavers);

	if (err)
		return sks_upgrade_fail("cannot look for the old instance: %s", strerror(-err));
	/* The last moment at which it is of use. */
	status = sks_upgrade_serves(upgrade, NULL);
	if (!status && !leavers.n)
		status = sks_upgrade_old_is_open(upgrade)
				 ? sks_upgrade_fail("no process that you may see holds the old "
						    "listener: it is not signalled")
				 : 0;
	if (!status)
		status = signal_leavers(upgrade, &leavers);
	if (!status)
		status = wait_for_leavers(upgrade, &leavers);
	if (!status)
		say_left(upgrade);
	free_leavers(&leavers);
	return status;
}
