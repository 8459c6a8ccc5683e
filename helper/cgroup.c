// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns the way to the root of the cgroups, where the bind hooks are attached. Needs CAP_SYS_ADMIN,
 * so it is gone while the helper still has that.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "cgroup.h"

/* By number: musl has no wrappers. */
int sks_cgroup_open(void)
{
	CLEANUP_FD int context = (int)syscall(SYS_fsopen, "cgroup2", FSOPEN_CLOEXEC);
	CLEANUP_FD int mount = -1;
	int root;

	if (context < 0 || syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -errno;
	mount = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
	if (mount < 0)
		return -errno;
	root = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? -errno : root;
}
