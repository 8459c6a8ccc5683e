// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns where the pins of namespaces lie: the bpffs, and the names of directories on it. */
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "bpffs.h"

int sks_space_path(const char *dir, uint64_t ino, char *buf, size_t size)
{
	int len = snprintf(buf, size, "%s/net-%llu", dir, (unsigned long long)ino);

	return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}

uint64_t sks_space_number(const char *name)
{
	char *end;
	uint64_t ino;

	if (strncmp(name, "net-", 4) != 0)
		return 0;
	ino = strtoull(name + 4, &end, 10);
	return *end ? 0 : ino;
}

bool sks_is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == BPF_FS_MAGIC;
}

/* To mount something over files hides them from everybody. */
static int check_empty(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	if (!dir)
		return -errno;
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n > 2 ? -ENOTEMPTY : 0; /* itself, and its parent */
}

static int mount_bpffs(const char *path)
{
	int err = check_empty(path);

	if (!err && mount("bpf", path, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755"))
		err = -errno;
	return err;
}

/* /sys/fs/bpf is there on every kernel with BPF, but on some machines nobody mounts it. */
int sks_bpffs_prepare(const char *dir)
{
	const char *mount_point = strncmp(dir, "/sys/fs/bpf/", 12) ? dir : "/sys/fs/bpf";
	int err = 0;

	if (mount_point == dir && mkdir(dir, 0750) && errno != EEXIST)
		return -errno;
	if (!sks_is_bpffs(mount_point) && !sks_is_bpffs(dir))
		err = mount_bpffs(mount_point);
	if (err)
		return err;
	if (mkdir(dir, 0750) && errno != EEXIST)
		return -errno;
	return sks_is_bpffs(dir) ? 0 : -ENOTSUP;
}
