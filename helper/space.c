// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the network namespaces that the helper serves, found again by their pins after a restart. */
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "change.h"
#include "classes.h"
#include "log.h"
#include "space.h"

/* A directory that is being set up; bpffs allows no dots in names. */
#define UNFINISHED "new-"

int sks_space_path(const char *dir, uint64_t ino, char *buf, size_t size)
{
	int len = snprintf(buf, size, "%s/net-%llu", dir, (unsigned long long)ino);

	return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == BPF_FS_MAGIC;
}

/* /sys/fs/bpf is there on every kernel with BPF, but on some machines nobody mounts it. */
static int prepare_dir(const char *dir)
{
	const char *mount_point = strncmp(dir, "/sys/fs/bpf/", 12) ? dir : "/sys/fs/bpf";

	if (mount_point == dir && mkdir(dir, 0750) && errno != EEXIST)
		return -errno;
	if (!is_bpffs(mount_point) && !is_bpffs(dir) &&
	    mount("bpf", mount_point, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755"))
		return -errno;
	if (mkdir(dir, 0750) && errno != EEXIST)
		return -errno;
	return is_bpffs(dir) ? 0 : -ENOTSUP;
}

static void free_space(struct sks_space *space)
{
	sks_classes_free(space->classes);
	sks_bpf_close(&space->maps);
	free(space);
}

static struct sks_space *new_space(const struct sks_spaces *spaces, uint64_t ino)
{
	struct sks_space *space = calloc(1, sizeof(*space));

	if (space && sks_space_path(spaces->dir, ino, space->dir, sizeof(space->dir))) {
		free(space);
		return NULL;
	}
	if (space)
		space->ino = ino;
	return space;
}

/* Takes up what an earlier helper left. -ENODEV: its namespace is gone. */
static int take_up(struct sks_space *space)
{
	struct sks_link link;
	int err = sks_bpf_link(space->dir, &link);

	if (!err && link.netns_ino != space->ino)
		err = -ENODEV;
	if (!err)
		err = sks_bpf_open(space->dir, true, &space->maps);
	if (err)
		return err;
	sks_store_recover(space);
	err = sks_classes_recover(space) ?: sks_bpf_refresh(space->dir, &space->maps) ?:
	      sks_change_republish(space);
	if (err)
		sks_bpf_close(&space->maps);
	else
		sks_change_end_services(space);
	return err;
}

static void take_up_entry(struct sks_spaces *spaces, const char *name)
{
	struct sks_space *space;
	char *end, path[384];
	uint64_t ino;
	int err;

	if (!strncmp(name, UNFINISHED, strlen(UNFINISHED))) { /* its helper died at it */
		(void)snprintf(path, sizeof(path), "%s/%s", spaces->dir, name);
		sks_bpf_remove(path);
		return;
	}
	if (strncmp(name, "net-", 4) != 0)
		return;
	ino = strtoull(name + 4, &end, 10);
	if (*end)
		return;
	space = spaces->n < SKS_SPACES_MAX ? new_space(spaces, ino) : NULL;
	if (!space)
		return;
	err = take_up(space);
	if (!err) {
		spaces->spaces[spaces->n++] = space;
		return;
	}
	if (err == -ENODEV) {
		sks_bpf_remove(space->dir);
	} else {
		sks_log(SKS_LOG_ERR, "%s: cannot take up: %s; left alone", space->dir,
			strerror(-err));
	}
	free(space);
}

int sks_spaces_open(struct sks_spaces *spaces, const char *dir)
{
	*spaces = (struct sks_spaces){};
	if (snprintf(spaces->dir, sizeof(spaces->dir), "%s", dir) >= (int)sizeof(spaces->dir))
		return -ENAMETOOLONG;
	return prepare_dir(dir);
}

int sks_spaces_take_up(struct sks_spaces *spaces)
{
	struct dirent *entry;
	DIR *list = opendir(spaces->dir);

	if (!list)
		return -errno;
	while ((entry = readdir(list)))
		take_up_entry(spaces, entry->d_name);
	closedir(list);
	return 0;
}

void sks_spaces_close(struct sks_spaces *spaces)
{
	while (spaces->n)
		free_space(spaces->spaces[--spaces->n]);
}

void sks_spaces_remove(struct sks_spaces *spaces, struct sks_space *space)
{
	for (size_t i = 0; i < spaces->n; i++) {
		if (spaces->spaces[i] != space)
			continue;
		spaces->spaces[i] = spaces->spaces[--spaces->n];
		sks_bpf_remove(space->dir);
		free_space(space);
		return;
	}
}

static bool is_dead(const struct sks_space *space)
{
	struct sks_link link;

	/* The link outlives its namespace, whose inode number another may then get. */
	return sks_bpf_link(space->dir, &link) || link.netns_ino != space->ino;
}

void sks_spaces_reap(struct sks_spaces *spaces)
{
	for (size_t i = spaces->n; i-- > 0;) {
		if (is_dead(spaces->spaces[i]))
			sks_spaces_remove(spaces, spaces->spaces[i]);
	}
}

struct sks_space *sks_spaces_find(struct sks_spaces *spaces, uint64_t ino)
{
	for (size_t i = 0; i < spaces->n; i++) {
		if (spaces->spaces[i]->ino != ino)
			continue;
		if (!is_dead(spaces->spaces[i]))
			return spaces->spaces[i];
		sks_spaces_remove(spaces, spaces->spaces[i]);
		return NULL;
	}
	return NULL;
}

int sks_spaces_get(struct sks_spaces *spaces, int netns, uint64_t ino, struct sks_space **ret_space)
{
	struct sks_space *space = sks_spaces_find(spaces, ino);
	char unfinished[sizeof(space->dir)];
	int err;

	if (space) {
		*ret_space = space;
		return 0;
	}
	if (spaces->n == SKS_SPACES_MAX)
		return -ENOSPC;
	space = new_space(spaces, ino);
	if (!space)
		return -ENOMEM;
	/* Under another name until it is whole, so that a helper that dies here leaves no half. */
	(void)snprintf(unfinished, sizeof(unfinished), "%s/" UNFINISHED "%llu", spaces->dir,
		       (unsigned long long)ino);
	sks_bpf_remove(unfinished);
	err = sks_bpf_create(unfinished, netns, &space->maps);
	if (!err && rename(unfinished, space->dir)) {
		err = -errno;
		sks_bpf_remove(unfinished);
		sks_bpf_close(&space->maps);
	}
	if (err) {
		free(space);
		return err;
	}
	sks_store_recover(space);
	space->classes = sks_classes_new(space);
	spaces->spaces[spaces->n++] = space;
	*ret_space = space;
	return 0;
}
