// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns the way to the root of the cgroups, where the bind hooks are attached. Needs what the helper
 * has at its start only.
 *
 * It is looked for where somebody has mounted it. To mount it once more gives its options
 * (nsdelegate, memory_recursiveprot) a new value for the whole machine, but not from within a
 * cgroup namespace: apply_cgroup_root_flags() in kernel/cgroup/cgroup.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <mntent.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "cgroup.h"

#define ROOT_INO 1 /* of the machine's root; a cgroup namespace may have another */

static int check_root(int dir)
{
	struct stat st;

	if (fstat(dir, &st))
		return -errno;
	return st.st_ino == ROOT_INO ? 0 : -ENOENT;
}

/* Something else may be mounted over it. */
static int open_mounted(const char *process, const char *dir)
{
	char path[PATH_MAX];
	struct statfs fs;
	CLEANUP_FD int fd = -1;

	(void)snprintf(path, sizeof(path), "/proc/%s/root%s", process, dir);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstatfs(fd, &fs))
		return -errno;
	return fs.f_type == CGROUP2_SUPER_MAGIC ? sks_take_fd(&fd) : -ENOENT;
}

/* What that process has mounted. any: also the root of a cgroup namespace. */
static int find(const char *process, bool any)
{
	char path[sizeof("/proc/self/mounts")];
	const struct mntent *entry;
	FILE *mounts;
	int fd = -ENOENT;

	(void)snprintf(path, sizeof(path), "/proc/%s/mounts", process);
	mounts = setmntent(path, "re");
	if (!mounts)
		return -errno;
	while (fd < 0 && (entry = getmntent(mounts))) {
		if (strcmp(entry->mnt_type, "cgroup2") != 0)
			continue;
		fd = open_mounted(process, entry->mnt_dir);
		if (fd >= 0 && !any && check_root(fd)) {
			(void)close(fd);
			fd = -ENOENT;
		}
	}
	(void)endmntent(mounts);
	return fd;
}

/* The system calls by number: musl has no wrappers. */
static int mount_apart(void)
{
	CLEANUP_FD int context = -1, mount = -1, root = -1;
	int err;

	if (unshare(CLONE_NEWCGROUP))
		return -errno;
	context = (int)syscall(SYS_fsopen, "cgroup2", FSOPEN_CLOEXEC);
	if (context < 0 || syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -errno;
	mount = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
	if (mount < 0)
		return -errno;
	root = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = root < 0 ? -errno : check_root(root);
	return err ?: sks_take_fd(&root);
}

int sks_cgroup_open(void)
{
	int fd = find("self", false);

	if (fd < 0)
		fd = find("1", false);
	if (fd < 0)
		fd = find("self", true);
	return fd < 0 ? mount_apart() : fd;
}
