/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the start and the end of processes. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../common/cleanup.h"
#include "../../common/raw.h"
#include "../holder.h"

#define STOP_US	   5000000
#define KILL_US	   1000000
#define KILL_TRIES 5
#define POLL_MS	   20
#define CHILDREN   2 /* at a time: the server, and what asks whether it is ready */

/* A process has one disposition of each signal, so this is no state of a caller's. */
static struct {
	sigset_t awaited, inherited_mask;
	struct sigaction inherited_chld, inherited_pipe;
	int ending;			      /* the signal that asked us to end */
	struct sks_child *children[CHILDREN]; /* that have not ended; borrowed */
} own;

/* What was ignored on purpose, by nohup(1) for example, stays so. */
static void await_signal(int sig)
{
	struct sigaction action;

	if (!sigaction(sig, NULL, &action) && action.sa_handler != SIG_IGN)
		(void)sigaddset(&own.awaited, sig);
}

int sks_children_begin(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL }, ign = { .sa_handler = SIG_IGN };

	(void)sigemptyset(&own.awaited);
	await_signal(SIGINT);
	await_signal(SIGTERM);
	await_signal(SIGHUP);
	(void)sigaddset(&own.awaited, SIGCHLD);
	if (sigaction(SIGCHLD, &dfl, &own.inherited_chld) ||
	    sigaction(SIGPIPE, &ign, &own.inherited_pipe) ||
	    sigprocmask(SIG_BLOCK, &own.awaited, &own.inherited_mask) ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		return -errno;
	return 0;
}

static int redirect(bool quiet)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		return -errno;
	if (quiet && (dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0))
		return -errno;
	return 0;
}

/* Of the child: returns why it did not become the command. */
static int become(const struct sks_start *start)
{
	int err;

	(void)setsid();
	err = redirect(start->quiet);
	if (!err)
		err = start->prepare(start->data);
	if (err)
		return err;
	(void)sigaction(SIGCHLD, &own.inherited_chld, NULL);
	(void)sigaction(SIGPIPE, &own.inherited_pipe, NULL);
	(void)sigprocmask(SIG_SETMASK, &own.inherited_mask, NULL);
	(void)execvp(start->argv[0], start->argv);
	return -errno;
}

static void remember(struct sks_child *child)
{
	size_t i = 0;

	while (i < CHILDREN - 1 && own.children[i])
		i++;
	own.children[i] = child;
}

int sks_child_start(const struct sks_start *start, struct sks_child *ret_child)
{
	CLEANUP_FD int told = -1;
	int fds[2], err = 0;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	told = fds[0];
	pid = fork();
	if (pid == 0) {
		err = become(start);
		if (write(fds[1], &err, sizeof(err)) < 0)
			_exit(126);
		_exit(127);
	}
	if (pid < 0)
		err = -errno;
	(void)close(fds[1]);
	/* execve(2) closes the other end: then there is nothing to be read. */
	if (!err && read(told, &err, sizeof(err)) == (ssize_t)sizeof(err))
		(void)waitpid(pid, NULL, 0);
	if (err)
		return err;
	*ret_child = (struct sks_child){ .pid = pid };
	remember(ret_child);
	return 0;
}

int sks_children_pause(int ms)
{
	const struct timespec limit = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	int sig = sigtimedwait(&own.awaited, NULL, &limit);

	if (sig > 0 && sig != SIGCHLD && !own.ending)
		own.ending = sig;
	return own.ending;
}

bool sks_children_left(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < CHILDREN; i++) {
			struct sks_child *child = own.children[i];

			if (!child || child->pid != pid)
				continue;
			child->ended = true;
			child->status = status;
			own.children[i] = NULL;
		}
	}
	return pid == 0;
}

static void signal_all(int sig)
{
	const pid_t self = getpid();
	struct sks_pids pids = { 0 };

	if (sks_descendants(&self, 1, &pids))
		return;
	for (size_t i = 0; i < pids.n; i++) {
		if (pids.list[i] != self)
			(void)kill(pids.list[i], sig);
	}
	free(pids.list);
}

/* True when all have ended before the time is over. */
static bool wait_for_all(int64_t us)
{
	int64_t deadline = sks_now_us() + us;

	while (sks_children_left()) {
		if (sks_now_us() >= deadline)
			return false;
		(void)sks_children_pause(POLL_MS);
	}
	return true;
}

bool sks_children_stop(void)
{
	if (!sks_children_left())
		return false;
	signal_all(SIGTERM);
	/* Stopped ones would not notice; and some fork while they are being ended. */
	signal_all(SIGCONT);
	for (int tries = 0; tries < KILL_TRIES; tries++) {
		if (wait_for_all(tries ? KILL_US : STOP_US))
			break;
		signal_all(SIGKILL);
	}
	return true;
}

void sks_child_kill(struct sks_child *child)
{
	if (!child->ended)
		(void)kill(-child->pid, SIGKILL);
	while (!child->ended) {
		(void)sks_children_left();
		(void)sks_children_pause(child->ended ? 0 : POLL_MS);
	}
}
