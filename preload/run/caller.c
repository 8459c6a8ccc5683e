/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the supervisor knows of the thread whose system call waits (see caller.h). */
#include "caller.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../../common/cleanup.h"

#define PIDFD_OF_THREAD O_EXCL /* PIDFD_THREAD, Linux 6.9 */

static int open_of(pid_t tid, const char *name, int flags)
{
	char path[64];
	int fd;

	if (tid)
		(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)tid, name);
	else
		(void)snprintf(path, sizeof(path), "/proc/self/%s", name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int read_of(pid_t tid, const char *name, char *buf, size_t size)
{
	CLEANUP_FD int fd = open_of(tid, name, O_RDONLY);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) != 0) {
		if (n < 0)
			return -errno;
		len += (size_t)n;
	}
	buf[len] = '\0';
	return len < size - 1 ? 0 : -E2BIG;
}

/* The value after "NAME:\t" in /proc/PID/status; NULL: there is no such line. */
static const char *field(const char *status, const char *name)
{
	const char *line = status;
	size_t len = strlen(name);

	while (line && (strncmp(line, name, len) != 0 || line[len] != ':')) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return line ? line + len + 1 : NULL;
}

/* The n-th number of a line, from 0. */
static bool number(const char *status, const char *name, int n, int base, uint64_t *ret_value)
{
	const char *value = field(status, name);
	char *end = NULL;

	for (; value && n >= 0; n--, value = end) {
		*ret_value = strtoull(value, &end, base);
		if (end == value)
			return false;
	}
	return value;
}

static int read_groups(const char *status, struct sks_caller *caller)
{
	const char *value = field(status, "Groups");
	char *end;

	for (caller->n_groups = 0; value; value = end) {
		unsigned long group;

		value += strspn(value, " \t");
		if (!*value || *value == '\n')
			return 0;
		group = strtoul(value, &end, 10);
		if (end == value || caller->n_groups == SKS_CALLER_GROUPS)
			break;
		caller->groups[caller->n_groups++] = (gid_t)group;
	}
	return -E2BIG;
}

static int read_ns(pid_t tid, const char *name, uint64_t *ret_ino)
{
	char path[64];
	struct stat st;

	if (tid)
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)tid, name);
	else
		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	if (stat(path, &st))
		return -errno;
	*ret_ino = st.st_ino;
	return 0;
}

static void copy_name(const char *status, struct sks_caller *caller)
{
	const char *value = field(status, "Name");
	size_t len;

	if (!value)
		return;
	value += strspn(value, "\t");
	len = strcspn(value, "\n");
	if (len >= sizeof(caller->comm))
		len = sizeof(caller->comm) - 1;
	memcpy(caller->comm, value, len);
}

int sks_caller_read(pid_t tid, struct sks_caller *ret_caller)
{
	static char status[16384];
	struct sks_caller caller = { .tid = tid };
	uint64_t pid, uid, gid;
	int err = read_of(tid, "status", status, sizeof(status));

	if (err)
		return err;
	if (!number(status, "Tgid", 0, 10, &pid) || !number(status, "Uid", 1, 10, &uid) ||
	    !number(status, "Gid", 1, 10, &gid) || !number(status, "CapEff", 0, 16, &caller.caps))
		return -EPROTO;
	caller.pid = (pid_t)pid;
	caller.uid = (uid_t)uid;
	caller.gid = (gid_t)gid;
	copy_name(status, &caller);
	err = read_groups(status, &caller);
	err = err ? err : read_ns(tid, "user", &caller.user_ns);
	err = err ? err : read_ns(tid, "net", &caller.net_ns);
	if (!err)
		*ret_caller = caller;
	return err;
}

bool sks_caller_equal(const struct sks_caller *a, const struct sks_caller *b)
{
	return a->uid == b->uid && a->gid == b->gid && a->caps == b->caps &&
	       a->user_ns == b->user_ns && a->net_ns == b->net_ns && a->n_groups == b->n_groups &&
	       !memcmp(a->groups, b->groups, a->n_groups * sizeof(a->groups[0]));
}

/* No more than those, and none to be had again. */
static int limit_caps(uint64_t caps)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, data))
		return -errno;
	for (unsigned int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].permitted &= (uint32_t)(caps >> 32 * i);
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

static int enter_net(const struct sks_caller *who)
{
	CLEANUP_FD int fd = open_of(who->tid, "ns/net", O_RDONLY);

	if (fd < 0)
		return fd;
	return setns(fd, CLONE_NEWNET) ? -errno : 0;
}

int sks_caller_become(const struct sks_caller *who, const struct sks_caller *self)
{
	int err = 0;

	if (who->user_ns != self->user_ns)
		return -EXDEV;
	if (who->net_ns != self->net_ns)
		err = enter_net(who);
	if (err)
		return err;
	if ((who->n_groups != self->n_groups ||
	     memcmp(who->groups, self->groups, who->n_groups * sizeof(gid_t)) != 0) &&
	    setgroups(who->n_groups, who->groups))
		return -errno;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || setresgid(who->gid, who->gid, who->gid) ||
	    setresuid(who->uid, who->uid, who->uid))
		return -errno;
	/* Nor may its new user trace us, whatever fs.suid_dumpable says. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return limit_caps(who->caps);
}

static int open_pidfd(const struct sks_caller *who)
{
	long fd = syscall(SYS_pidfd_open, who->tid, PIDFD_OF_THREAD);

	/* Before 6.9: threads that do not share descriptors with the first one are rare. */
	if (fd < 0 && errno == EINVAL)
		fd = syscall(SYS_pidfd_open, who->pid, 0);
	return fd < 0 ? -errno : (int)fd;
}

int sks_caller_fd(const struct sks_caller *who, int fd)
{
	CLEANUP_FD int pidfd = open_pidfd(who);
	long copy;

	if (pidfd < 0)
		return pidfd;
	copy = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	return copy < 0 ? -errno : (int)copy;
}

int sks_caller_reopen(const struct sks_caller *who, int fd)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "fd/%d", fd);
	return open_of(who->tid, name, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY);
}

bool sks_caller_closes_on_exec(const struct sks_caller *who, int fd)
{
	char name[32], info[512];
	uint64_t flags;

	(void)snprintf(name, sizeof(name), "fdinfo/%d", fd);
	return !read_of(who->tid, name, info, sizeof(info)) &&
	       number(info, "flags", 0, 8, &flags) && flags & O_CLOEXEC;
}

int sks_caller_peek(const struct sks_caller *who, uint64_t address, void *buf, size_t size)
{
	struct iovec to = { .iov_base = buf, .iov_len = size };
	struct iovec from = { .iov_base = (void *)(uintptr_t)address, .iov_len = size };
	ssize_t n = process_vm_readv(who->tid, &to, 1, &from, 1, 0);

	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EFAULT;
}
