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
#include "group.h"
#include "log.h"
#include "pins.h"
#include "slot.h"
#include "space.h"

/* A directory that is being set up; bpffs allows no dots in names. */
#define UNFINISHED "new-"

int sks_space_path(const char *dir, uint64_t ino, char *buf, size_t size)
{
	int len = snprintf(buf, size, "%s/net-%llu", dir, (unsigned long long)ino);

	return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}

bool sks_is_bpffs(const char *path)
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
	if (!sks_is_bpffs(mount_point) && !sks_is_bpffs(dir) &&
	    mount("bpf", mount_point, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755"))
		return -errno;
	if (mkdir(dir, 0750) && errno != EEXIST)
		return -errno;
	return sks_is_bpffs(dir) ? 0 : -ENOTSUP;
}

/* Of one that has no maps. */
static void free_memory(struct sks_space *space)
{
	sks_classes_free(space->classes);
	free(space->touched.list);
	for (unsigned int proto = SKS_TCP; proto <= SKS_UDP; proto++)
		sks_ranges_free(&space->written[proto]);
	free(space);
}

static void free_space(struct sks_space *space)
{
	sks_bpf_close(&space->maps);
	free_memory(space);
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

/*
 * Takes up what an earlier helper left. -ENOENT: there is nothing; -ENODEV: its namespace is gone,
 * or the helper died while it took the pins away; -EUCLEAN: another version made it.
 */
static int take_up(struct sks_space *space)
{
	uint64_t ino;
	int err = sks_bpf_open(space->dir, true, &space->maps);

	if (err == -ENOENT)
		return access(space->dir, F_OK) ? -ENOENT : -ENODEV;
	if (err == -EUCLEAN && sks_pins_outlive(space->dir, space->ino))
		return -ENODEV;
	if (err)
		return err;
	err = sks_bpf_netns(&space->maps, &ino);
	if (!err && ino != space->ino)
		err = -ENODEV;
	if (err) {
		sks_bpf_close(&space->maps);
		return err;
	}
	sks_store_recover(space);
	sks_groups_recover(space);
	sks_slots_recover(space);
	err = sks_classes_recover(space);
	if (err) { /* nothing can be changed without; what runs, runs on */
		sks_bpf_close(&space->maps);
		return err;
	}
	/* Not worth leaving the namespace unserved. */
	err = sks_bpf_refresh(space->dir, &space->maps);
	if (err)
		sks_log(SKS_LOG_ERR, "%s: %s; the program there stays", space->dir, strerror(-err));
	sks_change_recover(space);
	return 0;
}

/* Under another name first: a helper that dies at it leaves nothing that looks whole. */
static void remove_pins(const struct sks_spaces *spaces, uint64_t ino)
{
	char dir[256], path[sizeof(dir)];

	if (sks_space_path(spaces->dir, ino, dir, sizeof(dir)))
		return;
	(void)snprintf(path, sizeof(path), "%s/" UNFINISHED "%llu", spaces->dir,
		       (unsigned long long)ino);
	sks_bpf_remove(path);
	sks_bpf_remove(rename(dir, path) ? dir : path);
}

/* The namespace's number in the name of a directory of pins, or 0. */
static uint64_t number_of(const char *name)
{
	char *end;
	uint64_t ino;

	if (strncmp(name, "net-", 4) != 0)
		return 0;
	ino = strtoull(name + 4, &end, 10);
	return *end ? 0 : ino;
}

static void take_up_entry(struct sks_spaces *spaces, const char *name)
{
	char path[384], why[SKS_PINS_WHYLEN];
	uint64_t ino = number_of(name);
	struct sks_space *space;
	int err;

	if (!strncmp(name, UNFINISHED, strlen(UNFINISHED))) { /* its helper died at it */
		(void)snprintf(path, sizeof(path), "%s/%s", spaces->dir, name);
		sks_bpf_remove(path);
		return;
	}
	space = ino && spaces->n < SKS_SPACES_MAX ? new_space(spaces, ino) : NULL;
	if (!space)
		return;
	err = take_up(space);
	if (!err) {
		spaces->spaces[spaces->n++] = space;
		return;
	}
	if (err == -ENODEV) {
		remove_pins(spaces, space->ino);
	} else {
		spaces->strangers = true;
		if (sks_pins_are_foreign(space->dir, ino, why))
			sks_log(SKS_LOG_ERR, "%s", why);
		else
			sks_log(SKS_LOG_ERR, "%s: cannot take up: %s", space->dir, strerror(-err));
	}
	free_memory(space);
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
	DIR *list = opendir(spaces->dir);
	struct dirent *entry;

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
		remove_pins(spaces, space->ino);
		free_space(space);
		return;
	}
}

static struct sks_space *listed(const struct sks_spaces *spaces, uint64_t ino)
{
	for (size_t i = 0; i < spaces->n; i++) {
		if (spaces->spaces[i]->ino == ino)
			return spaces->spaces[i];
	}
	return NULL;
}

int sks_spaces_unload(struct sks_spaces *spaces, uint64_t ino)
{
	struct sks_space *space = listed(spaces, ino);
	char dir[sizeof(space->dir)];

	if (space) {
		sks_spaces_remove(spaces, space);
		return 0;
	}
	if (sks_space_path(spaces->dir, ino, dir, sizeof(dir)) || access(dir, F_OK))
		return -ENOENT;
	remove_pins(spaces, ino);
	return 0;
}

/* The link outlives its namespace, whose inode number another may then get. */
static bool is_dead(const struct sks_space *space)
{
	uint64_t ino;

	return !sks_bpf_netns(&space->maps, &ino) && ino != space->ino;
}

static bool is_empty(const struct sks_space *space)
{
	for (uint32_t i = 0; i < space->n_services; i++) {
		if (space->maps.services[i].born)
			return false;
	}
	return true;
}

void sks_spaces_reap(struct sks_spaces *spaces)
{
	for (size_t i = spaces->n; i-- > 0;) {
		if (is_empty(spaces->spaces[i]))
			sks_spaces_remove(spaces, spaces->spaces[i]);
	}
}

/* Of those that could not be taken up. */
static void bury_strangers(struct sks_spaces *spaces)
{
	DIR *list = opendir(spaces->dir);
	struct dirent *entry;
	char dir[256];

	if (!list)
		return;
	spaces->strangers = false;
	while ((entry = readdir(list))) {
		uint64_t ino = number_of(entry->d_name);

		if (!ino || listed(spaces, ino) ||
		    sks_space_path(spaces->dir, ino, dir, sizeof(dir)))
			continue;
		if (sks_pins_outlive(dir, ino))
			remove_pins(spaces, ino);
		else
			spaces->strangers = true;
	}
	(void)closedir(list);
}

/*
 * A link knows that its namespace has died before the kernel says so to all (RTM_DELNSID), for
 * which each namespace would need a number. To ask it takes 0.4 us.
 */
void sks_spaces_bury(struct sks_spaces *spaces)
{
	for (size_t i = spaces->n; i-- > 0;) {
		if (is_dead(spaces->spaces[i]))
			sks_spaces_remove(spaces, spaces->spaces[i]);
	}
	if (spaces->strangers)
		bury_strangers(spaces);
}

struct sks_space *sks_spaces_find(struct sks_spaces *spaces, uint64_t ino)
{
	struct sks_space *space = listed(spaces, ino);

	if (!space || !is_dead(space))
		return space;
	sks_spaces_remove(spaces, space);
	return NULL;
}

bool sks_spaces_are_foreign(const struct sks_spaces *spaces, uint64_t ino,
			    char ret_why[SKS_PINS_WHYLEN])
{
	char dir[256];

	return !listed(spaces, ino) && !sks_space_path(spaces->dir, ino, dir, sizeof(dir)) &&
	       sks_pins_are_foreign(dir, ino, ret_why);
}

/* Under another name until it is whole, so that a helper that dies here leaves no half. */
static int create(const struct sks_spaces *spaces, int netns, struct sks_space *space)
{
	char unfinished[sizeof(space->dir)];
	int err;

	(void)snprintf(unfinished, sizeof(unfinished), "%s/" UNFINISHED "%llu", spaces->dir,
		       (unsigned long long)space->ino);
	sks_bpf_remove(unfinished);
	err = sks_bpf_create(unfinished, netns, &space->maps);
	if (err)
		return err;
	err = sks_classes_recover(space);
	if (!err && rename(unfinished, space->dir))
		err = -errno;
	if (err) {
		sks_bpf_remove(unfinished);
		sks_bpf_close(&space->maps);
	}
	return err;
}

int sks_spaces_get(struct sks_spaces *spaces, int netns, uint64_t ino, struct sks_space **ret_space)
{
	struct sks_space *space = sks_spaces_find(spaces, ino);
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
	err = take_up(space); /* what could not be taken up at the start may be now */
	if (err == -ENODEV)
		remove_pins(spaces, ino);
	if (err == -ENOENT || err == -ENODEV)
		err = create(spaces, netns, space);
	if (err) {
		free_memory(space);
		return err;
	}
	spaces->spaces[spaces->n++] = space;
	*ret_space = space;
	return 0;
}
