/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how `sksteerctl register --pid` copies the sockets of a running process. */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../common/cleanup.h"
#include "../../common/text.h"
#include "../../preload/run/yama.h"
#include "sockets.h"

static int complain(const struct sks_ctl *ctl, int err)
{
	int scope = err == -EPERM || err == -EACCES ? sks_yama_scope() : 0;

	if (err == -ESRCH)
		warnx("%s: there is no process %u", ctl->verb, ctl->pid);
	else if (scope)
		warnx("%s: process %u: only root may take its sockets (kernel.yama.ptrace_scope is "
		      "%d)",
		      ctl->verb, ctl->pid, scope);
	else if (err == -EPERM || err == -EACCES)
		warnx("%s: process %u: only root and its own user may take its sockets", ctl->verb,
		      ctl->pid);
	else
		warnx("%s: process %u: %s", ctl->verb, ctl->pid, strerror(-err));
	return err;
}

/* Of a process, a thread is none. */
static int open_pidfd(uint32_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return errno == EINVAL || errno == ENOENT ? -ESRCH : -errno;
	return (int)fd;
}

static int copy_of(int pidfd, uint32_t fd)
{
	long copy = syscall(SYS_pidfd_getfd, pidfd, fd, 0);

	return copy < 0 ? -errno : (int)copy;
}

static bool is_socket(int dir, const char *name)
{
	char target[32];
	ssize_t len = readlinkat(dir, name, target, sizeof(target));

	return len > 8 && memcmp(target, "socket:[", 8) == 0;
}

/* Another file would be copied for nothing, and the last close of one may be felt. */
static int copy_all(const struct sks_ctl *ctl, int pidfd, DIR *fds, struct sks_sockets *sockets)
{
	struct dirent *entry;
	uint32_t number;

	while ((entry = readdir(fds))) {
		int fd;

		if (sks_uint_parse(entry->d_name, strlen(entry->d_name), INT32_MAX, &number) ||
		    !is_socket(dirfd(fds), entry->d_name))
			continue;
		fd = copy_of(pidfd, number);
		if (fd == -EBADF) /* closed meanwhile */
			continue;
		if (fd < 0)
			return complain(ctl, fd);
		if (sks_sockets_add(ctl, sockets, fd))
			return -ENOMEM;
	}
	return 0;
}

static bool has_ended(int pidfd)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

	return poll(&pfd, 1, 0) != 0;
}

/* Its start, and its number where that holds, are a process's own as long as the machine runs. */
static int name_instance(const struct sks_ctl *ctl, struct sks_sockets *sockets)
{
	char path[48], text[1024], *field;
	CLEANUP_FD int fd = -1;
	struct stat ns;
	uint64_t start;
	uint32_t words[2] = { ctl->pid };
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/proc/%u/stat", ctl->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (len < 0 || stat("/proc/self/ns/pid", &ns))
		return complain(ctl, fd < 0 && errno == ENOENT ? -ESRCH : -errno);
	text[len] = '\0';
	/* PID (NAME) STATE ...: the name may have anything in it, and 20 fields follow. */
	field = strrchr(text, ')');
	for (int i = 0; field && i < 20; i++)
		field = strchr(field + 1, ' ');
	if (!field)
		return complain(ctl, -EPROTO);
	start = strtoull(field, NULL, 10);
	words[1] = (uint32_t)ns.st_ino;
	memcpy(sockets->instance, &start, sizeof(start));
	memcpy(sockets->instance + sizeof(start), words, sizeof(words));
	return 0;
}

static int copy_named(const struct sks_ctl *ctl, int pidfd, struct sks_sockets *sockets)
{
	int fd = copy_of(pidfd, (uint32_t)ctl->fd);

	if (fd == -EBADF) {
		warnx("%s: process %u has no descriptor %d", ctl->verb, ctl->pid, ctl->fd);
		return fd;
	}
	if (fd < 0)
		return complain(ctl, fd);
	if (sks_sockets_add(ctl, sockets, fd))
		return -ENOMEM;
	if (sockets->n)
		return 0;
	warnx("%s: descriptor %d of process %u is no listening TCP and no bound UDP socket",
	      ctl->verb, ctl->fd, ctl->pid);
	return -ENOTSOCK;
}

int sks_sockets_of_process(const struct sks_ctl *ctl, struct sks_sockets *sockets)
{
	CLEANUP_FD int pidfd = open_pidfd(ctl->pid);
	char path[32];
	DIR *fds;
	int err;

	if (pidfd < 0)
		return complain(ctl, pidfd);
	err = name_instance(ctl, sockets);
	if (err)
		return err;
	if (ctl->fd >= 0)
		return copy_named(ctl, pidfd, sockets);
	(void)snprintf(path, sizeof(path), "/proc/%u/fd", ctl->pid);
	fds = opendir(path);
	if (!fds)
		return complain(ctl, errno == ENOENT ? -ESRCH : -errno);
	err = copy_all(ctl, pidfd, fds, sockets);
	(void)closedir(fds);
	/* Else what was read below its number may have been another one's. */
	if (!err && has_ended(pidfd))
		err = complain(ctl, -ESRCH);
	return err;
}
