/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the conversation with the helper's workers, on its side (see worker.h). */
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../common/cleanup.h"
#include "../common/wire.h"
#include "log.h"

#define DYING_MS 1000 /* from the end of its socket to that of the process */
#define LOOK_MS	 10

/* What waitpid(2) says, or 0: it lives. */
static pid_t end_of(pid_t pid, int *ret_status)
{
	pid_t ended = waitpid(pid, ret_status, WNOHANG);

	for (int ms = 0; !ended && ms < DYING_MS; ms += LOOK_MS) {
		(void)poll(NULL, 0, LOOK_MS);
		ended = waitpid(pid, ret_status, WNOHANG);
	}
	return ended;
}

void sks_worker_mourn(struct sks_worker *worker)
{
	int status = 0;
	pid_t ended;

	if (worker->pid <= 0) /* said already */
		return;
	ended = end_of(worker->pid, &status);
	worker->pid = 0;
	if (ended <= 0)
		sks_log(SKS_LOG_ERR, "%s does not answer", worker->name);
	else if (WIFSIGNALED(status))
		sks_log(SKS_LOG_ERR, "%s was killed by signal %d (%s)", worker->name,
			WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		sks_log(SKS_LOG_ERR, "%s ended with status %d", worker->name, WEXITSTATUS(status));
}

static int receive(const struct sks_worker *worker, void *ret_answer, int *ret_fd)
{
	int len;

	/* Where a time is set, being stopped and continued interrupts (signal(7)). */
	do
		len = sks_wire_recv(worker->sock, ret_answer, worker->answer, 0, ret_fd);
	while (len == -EINTR);
	/* We may be the one that was stopped for that long. */
	if (len == -EAGAIN)
		len = sks_wire_recv(worker->sock, ret_answer, worker->answer, MSG_DONTWAIT, ret_fd);
	return len == (int)worker->answer ? 0 : -EPIPE;
}

int sks_worker_ask(struct sks_worker *worker, const void *question, int fd, void *ret_answer,
		   int *ret_fd)
{
	CLEANUP_FD int got = -1;

	if (worker->sock < 0) {
		worker->work(question, fd, ret_answer, &got);
	} else if (sks_wire_send(worker->sock, question, worker->question, NULL, 0, fd) ||
		   receive(worker, ret_answer, &got)) {
		sks_worker_mourn(worker);
		/* An answer that comes late would be taken for the next one's. Whoever watches the
		 * socket sees its end. */
		(void)shutdown(worker->sock, SHUT_RDWR);
		return -EPIPE;
	}
	*ret_fd = sks_take_fd(&got);
	return 0;
}
