/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the questions about other processes (see process.h), as they are put. */
#include "process.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "process_work.h"

struct sks_worker sks_process_worker = {
	.name = "sksteerd-holder",
	.question = sizeof(struct sks_process_question),
	.answer = sizeof(struct sks_process_answer),
	.work = sks_process_work,
	.sock = -1,
};

/* What was answered. *ret_fd (NULL: none is expected) only if that is no error. */
static int ask(const struct sks_process_question *question, int *ret_fd)
{
	struct sks_process_answer answer = {};
	CLEANUP_FD int got = -1;
	int err = sks_worker_ask(&sks_process_worker, question, -1, &answer, &got);

	if (err || answer.value < 0 || !ret_fd)
		return err ?: answer.value;
	if (got < 0)
		return -EPROTO;
	*ret_fd = sks_take_fd(&got);
	return answer.value;
}

uint32_t sks_process_claims(pid_t pid)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, pid };
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

	/* 0: of another pid namespace. To capget(2) that is the caller. */
	return pid <= 0 || syscall(SYS_capget, &head, caps) ? 0 : caps[0].effective;
}

/*
 * By number a process is another one as soon as it has ended: what /proc said of the number counts
 * if the pidfd from before lives afterwards. -1: none, on kernels that have none to give
 * (before 6.5).
 */
static bool lives(int pidfd)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	return pidfd < 0 || poll(&end, 1, 0) == 0;
}

bool sks_process_is_ours(const struct sks_process *process)
{
	const struct sks_process_question question = {
		.op = SKS_PROCESS_IS_OURS,
		.pid = process->pid,
		.uid = process->uid,
	};

	return ask(&question, NULL) == 1 && lives(process->pidfd);
}

int sks_netns_of_process(pid_t pid, uint64_t ino)
{
	const struct sks_process_question question = {
		.op = SKS_PROCESS_NETNS,
		.pid = pid,
		.ino = ino,
	};
	CLEANUP_FD int fd = -1;
	int err;

	if (pid == getpid()) /* which takes no right */
		err = sks_process_netns(pid, ino, &fd);
	else
		err = ask(&question, &fd);
	return err ?: sks_take_fd(&fd);
}

int sks_netns_of_any(uint64_t ino, pid_t *ret_pid)
{
	const struct sks_process_question question = { .op = SKS_PROCESS_ANY_NETNS, .ino = ino };
	int fd = -1, pid = ask(&question, &fd);

	if (pid < 0)
		return pid;
	*ret_pid = pid;
	return fd;
}

int sks_process_take(uint32_t inode, uint64_t cookie, const struct sks_process *for_whom)
{
	const struct sks_process_question question = {
		.op = SKS_PROCESS_TAKE,
		.pid = for_whom->pid,
		.uid = for_whom->uid,
		.inodes = { inode },
		.n = 1,
		.cookie = cookie,
	};
	CLEANUP_FD int fd = -1;
	int err = ask(&question, &fd);

	if (!err && !lives(for_whom->pidfd))
		err = -ESRCH;
	return err ?: sks_take_fd(&fd);
}

int sks_process_held_elsewhere(uint32_t inode, pid_t pid)
{
	const struct sks_process_question question = {
		.op = SKS_PROCESS_HELD_ELSEWHERE,
		.pid = pid,
		.inodes = { inode },
		.n = 1,
	};

	return ask(&question, NULL);
}

int sks_process_holds(pid_t pid, const uint32_t *inodes, size_t n)
{
	struct sks_process_question question = {
		.op = SKS_PROCESS_HOLDS,
		.pid = pid,
		.n = (uint32_t)n,
	};

	memcpy(question.inodes, inodes, n * sizeof(*inodes));
	return ask(&question, NULL);
}
