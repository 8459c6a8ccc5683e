/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the network namespace that sksteerctl works in: --netns. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../../common/cleanup.h"
#include "ctl.h"

static int open_below(const char *format, const char *name)
{
	char path[PATH_MAX];
	int fd, len = snprintf(path, sizeof(path), format, name);

	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* As ip(8) has it: a name first, and what is no name may be a process. */
static int open_netns(const char *netns)
{
	int fd = open_below(strchr(netns, '/') ? "%s" : "/run/netns/%s", netns);

	if (fd != -ENOENT || !*netns || netns[strspn(netns, "0123456789")])
		return fd;
	return open_below("/proc/%s/ns/net", netns);
}

int sks_ctl_enter(const char *netns)
{
	CLEANUP_FD int fd = open_netns(netns);
	int err = fd < 0 ? fd : 0;

	if (!err && setns(fd, CLONE_NEWNET))
		err = -errno;
	if (err == -ENOENT && strchr(netns, '/'))
		warnx("--netns: \"%s\" is not there", netns);
	else if (err == -ENOENT)
		warnx("--netns: \"%s\" is neither a name in /run/netns nor a running process",
		      netns);
	else if (err == -EINVAL)
		warnx("--netns: \"%s\" is not a network namespace", netns);
	else if (err == -EPERM || err == -EACCES)
		warnx("--netns: only root enters \"%s\"", netns);
	else if (err)
		warnx("--netns: \"%s\": %s", netns, strerror(-err));
	return err;
}

int sks_ctl_netns_ino(uint64_t *ret_ino)
{
	struct stat st;

	if (stat("/proc/self/ns/net", &st))
		return -errno;
	*ret_ino = st.st_ino;
	return 0;
}
