/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how questions about other processes are answered (see process.h). */
#include "process_work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "holder.h"

#define MAX_STRAYS 8 /* so that descriptors are left for the work */

static int stat_entry(pid_t pid, const char *name, struct stat *ret)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return stat(path, ret) ? -errno : 0;
}

/*
 * It may have become another program since it connected: a setuid one, which has all capabilities,
 * or one with file capabilities. The entries of such a process are root's until it runs another
 * program, and who has entered a user namespace stays there.
 */
static bool is_ours(pid_t pid, uint32_t uid)
{
	static struct stat own; /* the helper never leaves its user namespace */
	struct stat link, peer;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	return (own.st_ino || !stat("/proc/self/ns/user", &own)) && !lstat(path, &link) &&
	       link.st_uid == uid && !stat(path, &peer) && own.st_dev == peer.st_dev &&
	       own.st_ino == peer.st_ino;
}

int sks_process_netns(pid_t pid, uint64_t ino, int *ret_netns)
{
	CLEANUP_FD int fd = -1;
	char path[32];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || st.st_ino != ino)
		return -ESRCH;
	*ret_netns = sks_take_fd(&fd);
	return 0;
}

struct wanted {
	uint64_t ino;
	int netns;
};

/* Ends the walk with the process's number. */
static int enter_by(pid_t pid, void *data)
{
	struct wanted *wanted = data;

	return sks_process_netns(pid, wanted->ino, &wanted->netns) ? 0 : (int)pid;
}

static int any_netns(uint64_t ino, int *ret_netns)
{
	struct wanted wanted = { ino, -1 };
	int pid = sks_each_process(enter_by, &wanted);

	*ret_netns = wanted.netns;
	return pid ?: -ESRCH;
}

/* Whether the user who asks may look into that process, as ptrace(2) has it. */
static bool is_open_to(pid_t pid, const struct sks_process *who)
{
	struct stat own, other;

	/* Of a process that is not dumpable it is root's, as all there is but /proc/PID itself. */
	return !stat_entry(pid, "fd", &other) && other.st_uid == who->uid &&
	       !stat_entry(pid, "ns/user", &other) && !stat_entry(who->pid, "ns/user", &own) &&
	       own.st_ino == other.st_ino && own.st_dev == other.st_dev;
}

/*
 * 0 with a descriptor, -ESRCH, or -EBUSY. The cookie says whether it is still that socket. Anything
 * else that was put in its place is not closed: of a file on FUSE that would ask a file system of
 * whoever did so, which need not answer.
 */
static int take(const struct sks_holder *holder, const struct sks_process *who, uint64_t cookie,
		int *ret_fd)
{
	static unsigned int strays;
	CLEANUP_FD int pidfd = (int)syscall(SYS_pidfd_open, holder->pid, 0);
	uint64_t is = 0;
	socklen_t len = sizeof(is);
	int fd;

	if (strays == MAX_STRAYS)
		return -EBUSY;
	if (pidfd < 0 || !is_open_to(holder->pid, who))
		return -ESRCH;
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, holder->fd, 0);
	if (fd < 0)
		return -ESRCH;
	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &is, &len) || is != cookie) {
		strays++;
		return -ESRCH;
	}
	*ret_fd = fd;
	return 0;
}

static int take_any(uint32_t inode, uint64_t cookie, const struct sks_process *who, int *ret_fd)
{
	struct sks_holders holders = {};
	int err = sks_holders_find(&inode, 1, &holders);
	int found = err ?: -ESRCH;

	for (size_t i = 0; found == -ESRCH && i < holders.n; i++)
		found = sks_holder_in_time() ?: take(&holders.list[i], who, cookie, ret_fd);
	free(holders.list);
	return found;
}

static int holds(pid_t pid, const uint32_t *inodes, size_t n)
{
	const struct sks_pids one = { .list = &pid, .n = 1 };
	struct sks_inodes has = {};
	int err = sks_sockets_of(&one, &has);
	size_t i = 0;

	while (!err && i < n && !sks_inodes_have(&has, inodes[i]))
		i++;
	free(has.list);
	return err ?: i < n ? (int)i : -ESRCH;
}

void sks_process_work(const void *question, int fd, void *ret_answer, int *ret_fd)
{
	const struct sks_process_question *q = question;
	const struct sks_process who = { q->pid, q->uid, -1 };
	struct sks_process_answer *answer = ret_answer;

	(void)fd;
	answer->value = -EPROTO;
	if (!q->n != (q->op < SKS_PROCESS_TAKE) || q->n > SKS_PROCESS_INODES)
		return;
	switch (q->op) {
	case SKS_PROCESS_IS_OURS:
		answer->value = is_ours(q->pid, q->uid);
		break;
	case SKS_PROCESS_NETNS:
		answer->value = sks_process_netns(q->pid, q->ino, ret_fd);
		break;
	case SKS_PROCESS_ANY_NETNS:
		answer->value = any_netns(q->ino, ret_fd);
		break;
	case SKS_PROCESS_TAKE:
		answer->value = take_any(q->inodes[0], q->cookie, &who, ret_fd);
		break;
	case SKS_PROCESS_HELD_ELSEWHERE:
		answer->value = sks_is_held_elsewhere(q->inodes[0], q->pid);
		break;
	case SKS_PROCESS_HOLDS:
		answer->value = holds(q->pid, q->inodes, q->n);
		break;
	default:
		break;
	}
}
