// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns the way to the root of the cgroups, where the bind hooks are attached. Needs CAP_SYS_ADMIN,
 * so it is gone while the helper still has that.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "cgroup.h"

int sks_cgroup_open(void)
{
	CLEANUP_FD int context = fsopen("cgroup2", FSOPEN_CLOEXEC);
	CLEANUP_FD int mount = -1;
	int root;

	if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -errno;
	mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
	if (mount < 0)
		return -errno;
	root = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? -errno : root;
}
