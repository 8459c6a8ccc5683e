/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns a worker's process: how it begins, serves and ends (see worker.h). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/wire.h"
#include "worker.h"

/* Ample for what most workers do, so one that needs more hangs. */
#define ANSWER_S 5

/* As low as possible, to close all others. */
#define OWN_FD 3

/* Until the helper is gone. Its death is the end of the socket, and of whoever does not look. */
_Noreturn static void serve(const struct sks_worker *worker)
{
	void *question = calloc(1, worker->question), *answer = calloc(1, worker->answer);
	int fd, answer_fd, len;

	if (!question || !answer)
		_exit(1);
	for (;;) {
		answer_fd = -1;
		len = sks_wire_recv(OWN_FD, question, worker->question, 0, &fd);
		if (len == -EINTR)
			continue;
		if (len != (int)worker->question)
			_exit(len != 0);
		worker->work(question, fd, answer, &answer_fd);
		if (sks_wire_send(OWN_FD, answer, worker->answer, NULL, 0, answer_fd))
			_exit(1);
		sks_closep(&fd);
		sks_closep(&answer_fd);
	}
}

_Noreturn static void begin(const struct sks_worker *worker, int sock, pid_t helper,
			    int (*confine)(void))
{
	int err = 0;

	(void)prctl(PR_SET_NAME, worker->name);
	/* The helper decides when it ends, also where a signal is sent to all of a group. */
	(void)signal(SIGHUP, SIG_IGN);
	if ((sock != OWN_FD && dup2(sock, OWN_FD) < 0) || fcntl(OWN_FD, F_SETFD, FD_CLOEXEC) ||
	    sks_close_range(OWN_FD + 1, ~0U) || prctl(PR_SET_PDEATHSIG, SIGKILL))
		err = -errno;
	if (getppid() != helper) /* it has died already */
		_exit(0);
	if (!err)
		err = confine();
	if (sks_wire_send(OWN_FD, &err, sizeof(err), NULL, 0, -1) || err)
		_exit(1);
	serve(worker);
}

int sks_worker_start(struct sks_worker *worker, int (*confine)(void))
{
	const struct timeval limit = { .tv_sec = worker->seconds ?: ANSWER_S };
	CLEANUP_FD int own = -1, its = -1;
	pid_t helper = getpid();
	int ends[2], err = 0, fd;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	own = ends[0];
	its = ends[1];
	if (setsockopt(own, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		return -errno;
	worker->pid = fork();
	if (worker->pid < 0)
		return -errno;
	if (!worker->pid)
		begin(worker, its, helper, confine);
	sks_closep(&its);
	its = -1; /* so that its end is the end of the socket */
	if (sks_wire_recv(own, &err, sizeof(err), 0, &fd) != sizeof(err))
		return -EPIPE;
	if (!err)
		worker->sock = sks_take_fd(&own);
	return err;
}
