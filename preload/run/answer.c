/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the supervisor's two processes (see answer.h). */
#include "answer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../common/cleanup.h"
#include "../../common/raw.h"
#include "../memory.h"
#include "embed.h"

#define ACTOR_MS 3000 /* a helper that does not answer is given up long before */
#define SLOW_US	 (60ll * 1000 * 1000)

static int open_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

void sks_answer_name(const struct sks_answer *answer, const char *name)
{
	memcpy(answer->title, name, strnlen(answer->title, strlen(name)));
	(void)prctl(PR_SET_NAME, name, 0, 0, 0);
}

/* Whoever acted, late ones included; that the one which stands by has ended, its pidfd says. */
static void reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* True when all that were notified of have ended. */
static bool is_over(int listener)
{
	struct pollfd pfd = { .fd = listener };

	return poll(&pfd, 1, 0) == 1 && pfd.revents & (POLLHUP | POLLERR | POLLNVAL);
}

/* True: the one that answers has ended, and we are it now. False: there is nothing left to do. */
static bool stand_by(const struct sks_answer *answer, int active)
{
	struct pollfd pfds[] = { { .fd = answer->listener }, { .fd = active, .events = POLLIN } };

	while (poll(pfds, 2, -1) < 0 && errno == EINTR)
		;
	return !is_over(answer->listener);
}

static void answer_with(struct sks_answer *answer, uint64_t id, int64_t value)
{
	struct sks_calls *calls = &answer->shared->calls;
	struct seccomp_notif_resp resp = {
		.id = id,
		.error = value < 0 ? (int)value : 0,
		.flags = value == SKS_CALL_CONTINUE ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0,
	};

	/* It may have been killed, or (before Linux 5.19) called away by a signal, to call again. */
	if (ioctl(answer->listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) < 0)
		calls->unheard = calls->bound;
	else if (calls->unheard && calls->unheard == calls->bound)
		calls->unheard = 0;
	answer->shared->received.notif.id = 0;
	answer->shared->deaths = 0;
}

/* What bind(2) and listen(2) are called with; of a 32-bit program it may be socketcall(2). */
static int read_arguments(const struct seccomp_notif *notif, const struct sks_caller *who,
			  struct sks_call *call)
{
	const struct seccomp_data *data = &notif->data;
	uint64_t args[3] = { data->args[0], data->args[1], data->args[2] };
	uint32_t packed[3];
	int err;

#if defined(__x86_64__) && defined(__LP64__)
#define I386_LISTEN	363
#define I386_SOCKETCALL 102
#define ARM_LISTEN	284
	bool native = data->arch == 0xc000003eu; /* AUDIT_ARCH_X86_64, x32 as well */

	call->listens = native ? (data->nr & 0xffff) == SYS_listen : data->nr == I386_LISTEN;
	if (!native && data->nr == I386_SOCKETCALL) {
		call->listens = (uint32_t)data->args[0] == 4; /* SYS_LISTEN of <linux/net.h> */
		err = sks_caller_peek(who, (uint32_t)data->args[1], packed,
				      call->listens ? 2 * sizeof(packed[0]) : sizeof(packed));
		if (err)
			return err;
		for (int i = 0; i < 3; i++)
			args[i] = packed[i];
	}
#elif defined(__aarch64__)
	bool native = data->arch == 0xc00000b7u; /* AUDIT_ARCH_AARCH64 */

	call->listens = data->nr == (native ? SYS_listen : 284);
	(void)packed;
	(void)err;
	(void)who;
#else
	call->listens = data->nr == SYS_listen;
	(void)packed;
	(void)err;
	(void)who;
#endif
	call->fd = (int)args[0];
	call->address = args[1];
	call->length = call->listens ? (uint32_t)args[1] : (uint32_t)args[2];
	return 0;
}

/*
 * By a process that gives up what rights it has beyond the caller's. And what is slow or stuck
 * where the caller is another user's (files of its own FUSE, say) does not stop us.
 */
static bool act(const struct sks_call *call)
{
	struct pollfd pfd = { .fd = -1, .events = POLLIN };
	pid_t pid = fork();
	bool ended;

	if (pid < 0)
		return false;
	if (pid == 0) {
		sks_call_handle(call);
		_exit(0);
	}
	pfd.fd = open_pidfd(pid);
	ended = pfd.fd >= 0 && poll(&pfd, 1, ACTOR_MS) == 1;
	if (!ended) {
		(void)kill(pid, SIGKILL);
		call->calls->slow_uid = call->who->uid;
		call->calls->slow_until = sks_now_us() + SLOW_US;
	}
	if (pfd.fd >= 0)
		(void)close(pfd.fd);
	return ended;
}

static bool is_slow(const struct sks_calls *calls, const struct sks_caller *who)
{
	return who->uid == calls->slow_uid && sks_now_us() < calls->slow_until;
}

static bool is_valid(const struct sks_answer *answer, uint64_t id)
{
	return ioctl(answer->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

/* The state that lies in our own memory only. */
static void note_claim(const struct sks_calls *calls)
{
	if (!calls->claims)
		return;
	sks_claim(&calls->claim, calls->claims);
	/* Memory that is shared can't be marked as this process's own, and need not be. */
	sks_memory->claimed_here = 1;
}

/* Does what the notification asks for, and says what the answer is. */
static int64_t handle(struct sks_answer *answer)
{
	const struct seccomp_notif *notif = &answer->shared->received.notif;
	struct sks_calls *calls = &answer->shared->calls;
	struct sks_caller who;
	struct sks_call call = {
		.config = answer->config,
		.calls = calls,
		.who = &who,
		.listener = answer->listener,
		.id = notif->id,
		.again = answer->shared->deaths > 0,
	};

	/* A thread that has no number here is in a PID namespace that is not below ours. */
	if (!notif->pid || sks_caller_read((pid_t)notif->pid, &who) ||
	    read_arguments(notif, &who, &call))
		return SKS_CALL_CONTINUE;
	/* It still waits, so what was read is its, and not of whoever got its number since. */
	if (!is_valid(answer, notif->id))
		return SKS_CALL_CONTINUE;
	if (sks_caller_equal(&who, &answer->self)) {
		sks_call_handle(&call);
	} else if (is_slow(calls, &who)) {
		return SKS_CALL_CONTINUE;
	} else {
		call.self = &answer->self;
		calls->answer = SKS_CALL_CONTINUE;
		calls->claims = 0;
		if (!act(&call))
			return SKS_CALL_CONTINUE;
	}
	note_claim(calls);
	return calls->answer;
}

/* Twice, should whoever does it end in the middle; the third one lets the kernel do it. */
static void answer_received(struct sks_answer *answer)
{
	uint64_t id = answer->shared->received.notif.id;
	int64_t value = SKS_CALL_CONTINUE;

	if (!id)
		return;
	if (answer->shared->deaths < 2)
		value = handle(answer);
	answer_with(answer, id, value);
}

void sks_answer_serve(struct sks_answer *answer)
{
	for (;;) {
		struct pollfd pfds[] = { { .fd = answer->listener, .events = POLLIN },
					 { .fd = answer->spare, .events = POLLIN } };

		answer_received(answer);
		if (poll(pfds, 2, -1) < 0)
			continue;
		if (pfds[1].revents)
			(void)close(sks_take_fd(&answer->spare));
		reap();
		sks_answer_keep_spare(answer);
		if (pfds[0].revents & POLLIN) {
			memset(&answer->shared->received, 0, sizeof(answer->shared->received));
			(void)ioctl(answer->listener, SECCOMP_IOCTL_NOTIF_RECV,
				    &answer->shared->received);
		} else if (pfds[0].revents) {
			return;
		}
	}
}

void sks_answer_keep_spare(struct sks_answer *answer)
{
	int pidfd;
	pid_t pid;

	if (answer->spare >= 0)
		return;
	pidfd = open_pidfd(getpid());
	pid = pidfd < 0 ? -1 : fork();
	if (pid != 0) {
		answer->spare = pid < 0 ? -1 : open_pidfd(pid);
		if (pidfd >= 0)
			(void)close(pidfd);
		return;
	}
	answer->spare = -1;
	if (answer->conn >= 0)
		(void)close(sks_take_fd(&answer->conn));
	sks_answer_name(answer, SKS_NAME_SPARE);
	sks_embed_stand_by(answer->config->socket, answer->config->instance);
	if (!stand_by(answer, pidfd))
		_exit(0);
	sks_answer_name(answer, SKS_NAME_ACTIVE);
	(void)close(pidfd);
	if (answer->shared->received.notif.id)
		answer->shared->deaths++;
	sks_answer_keep_spare(answer);
	sks_answer_serve(answer);
	_exit(0);
}
