/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the start of the embedded helper and the request that keeps it running. */
#include "embed.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../common/cleanup.h"
#include "beside.h"

#define ATTEND_MS  1000
#define READY_MS   5000
#define RETRY_MS   700 /* for another starter's helper to become ready */
#define MAX_STARTS 2
#define POLL_MS	   20
#define READY_FD   3

void sks_embed_stand_by(const char *path, const uint8_t instance[SKS_INSTANCE_SIZE])
{
	struct sks_request req = { .version = SKS_WIRE_VERSION, .op = SKS_OP_ATTEND };
	struct sks_reply reply;

	memcpy(req.instance, instance, sizeof(req.instance));
	(void)sks_wire_call(path, &req, NULL, -1, ATTEND_MS, &reply, NULL);
}

int sks_embed_attend(const char *path, struct sks_reply *ret_reply)
{
	struct sks_request req = { .version = SKS_WIRE_VERSION, .op = SKS_OP_ATTEND };

	return sks_wire_call(path, &req, NULL, -1, ATTEND_MS, ret_reply, NULL);
}

bool sks_embed_is_absent(int err)
{
	/* A reset comes from a helper that was just leaving. */
	return err == -ENOENT || err == -ECONNREFUSED || err == -ECONNRESET;
}

/*
 * What is meant to bound the command would end the helper at some time, or keep it waiting; what is
 * to run it first would have the helper run first, for everybody.
 */
static void lift_limits(void)
{
	static const int limits[] = { RLIMIT_CPU,  RLIMIT_FSIZE, RLIMIT_AS,
				      RLIMIT_DATA, RLIMIT_NPROC, RLIMIT_MEMLOCK };
	const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
	const struct sched_param usual = {};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit own;

		/* Beyond a hard limit needs CAP_SYS_RESOURCE, which not every root has. */
		if (setrlimit(limits[i], &none) == 0 || getrlimit(limits[i], &own) < 0)
			continue;
		own.rlim_cur = own.rlim_max;
		(void)setrlimit(limits[i], &own);
	}
	/* By number: musl's does nothing. */
	(void)syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &usual);
	(void)setpriority(PRIO_PROCESS, 0, 0);
}

/* Nothing of the command's start may stay in a process that can outlive it. */
static int detach(int ready_fd)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	int null;

	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &dfl, NULL);
	(void)sigprocmask(SIG_SETMASK, &dfl.sa_mask, NULL);
	(void)umask(022);
	lift_limits();
	if (chdir("/") < 0)
		return -errno;
	null = open("/dev/null", O_RDWR);
	if (null < 0)
		return -errno;
	/* ready_fd and null may themselves be 0, 1 or 2 if the caller had those closed. */
	ready_fd = fcntl(ready_fd, F_DUPFD, 10);
	if (ready_fd < 0)
		return -errno;
	for (int fd = 0; fd < READY_FD; fd++)
		if (dup2(null, fd) < 0)
			return -errno;
	if (dup2(ready_fd, READY_FD) < 0 || sks_close_range(READY_FD + 1, ~0U) < 0)
		return -errno;
	return 0;
}

static void exec_helper(const char *program, const char *path, int ready_fd)
{
	/* Not the command's environment: its LD_PRELOAD, NOTIFY_SOCKET and SKSTEER_ are not ours. */
	char *const env[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			      NULL };
	char ready[] = { '0' + READY_FD, '\0' };

	if (detach(ready_fd) < 0)
		return;
	/* Only the default's directory is known to be meant for it; in /run it vanishes at boot. */
	if (strcmp(path, SKS_SOCKET_PATH) == 0)
		(void)mkdir("/run/sksteer", 0755);
	execle(program, "sksteerd", "--socket", path, "--idle-exit", "1", "--ready-fd", ready, NULL,
	       env);
}

/* Forks twice, so that the helper is nobody's child: the command must not meet a strange SIGCHLD. */
static int spawn_helper(const char *program, const char *path, int ready_fd)
{
	pid_t pid, grandchild;
	int status = 0;

	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid > 0) {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EAGAIN;
	}
	(void)setsid();
	grandchild = fork();
	if (grandchild != 0)
		_exit(grandchild < 0 ? 1 : 0);
	exec_helper(program, path, ready_fd);
	_exit(1);
}

/* 0 when the helper said that it is ready, -EAGAIN when it ended without, or -ETIMEDOUT. */
static int wait_ready(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char byte;
	int n;

	n = poll(&pfd, 1, READY_MS);
	if (n <= 0)
		return n < 0 ? -errno : -ETIMEDOUT;
	return read(fd, &byte, 1) == 1 ? 0 : -EAGAIN;
}

static int start_once(const char *program, const char *path)
{
	CLEANUP_FD int read_end = -1;
	int fds[2], err;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	read_end = fds[0];
	err = spawn_helper(program, path, fds[1]);
	(void)close(fds[1]); /* so that the helper's end is the end of the pipe */
	return err ? err : wait_ready(read_end);
}

static int attend_within(int ms, const char *path, struct sks_reply *ret_reply)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	int err;

	for (;;) {
		err = sks_embed_attend(path, ret_reply);
		if (!sks_embed_is_absent(err) || ms <= 0)
			return err;
		(void)nanosleep(&pause, NULL);
		ms -= POLL_MS;
	}
}

int sks_embed_start(const char *path, struct sks_reply *ret_reply)
{
	char program[PATH_MAX];
	int err, started;

	err = sks_run_beside("sksteerd", SKS_SBINDIR, X_OK, program, sizeof(program));
	if (err)
		return err;
	/*
	 * One that ends at once lost the lock: to a helper that is still starting (attend waits for
	 * it), or to one that was just leaving (start again).
	 */
	for (int i = 0; i < MAX_STARTS; i++) {
		started = start_once(program, path);
		err = attend_within(started == -EAGAIN ? RETRY_MS : 0, path, ret_reply);
		if (!sks_embed_is_absent(err) || started == -ETIMEDOUT)
			return err;
	}
	return err;
}
