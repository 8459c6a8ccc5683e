// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the network namespaces that the helper serves, found again by their pins after a restart. */
#include <dirent.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "bpffs.h"
#include "change.h"
#include "claims.h"
#include "classes.h"
#include "damage.h"
#include "events.h"
#include "group.h"
#include "inside.h"
#include "log.h"
#include "payer.h"
#include "pins.h"
#include "slot.h"
#include "space.h"

/* A directory that is being set up; bpffs allows no dots in names. */
#define UNFINISHED "new-"

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
	if (space) {
		space->ino = ino;
		space->payer = SKS_PAYER_NONE;
	}
	return space;
}

/* What is read before anything is changed. -EUCLEAN: ret_what is damaged. */
static int read_pins(struct sks_space *space, char ret_what[SKS_SOUND_WHYLEN])
{
	uint64_t ino;
	int err = sks_bpf_netns(&space->maps, &ino);

	if (!err && ino != space->ino)
		err = -ENODEV;
	if (!err)
		err = sks_sound(&space->maps, ret_what);
	if (err)
		return err;
	err = sks_classes_recover(space);
	if (err == -EUCLEAN)
		(void)snprintf(ret_what, SKS_SOUND_WHYLEN, "some entry of prefixes is none");
	return err; /* nothing can be changed without; what runs, runs on */
}

/*
 * Takes up what an earlier helper left. -ENOENT: there is nothing; -ENODEV: its namespace is gone,
 * or the helper died while it took the pins away; -EUCLEAN: another version made it, or it is
 * damaged, and nothing of it was touched.
 */
static int take_up(struct sks_spaces *spaces, struct sks_space *space)
{
	char what[SKS_SOUND_WHYLEN] = "", why[SKS_PINS_WHYLEN];
	int err = sks_bpf_open(space->dir, true, &space->maps);

	if (err == -ENOENT)
		return access(space->dir, F_OK) ? -ENOENT : -ENODEV;
	if (err == -EUCLEAN && sks_pins_outlive(space->dir, space->ino))
		return -ENODEV;
	if (err == -EUCLEAN && !sks_pins_are_foreign(space->dir, space->ino, why))
		sks_damage_keep(&spaces->damages, space->ino, SKS_SOUND_SHAPE);
	if (err)
		return err;
	err = read_pins(space, what);
	if (err == -EUCLEAN)
		sks_damage_keep(&spaces->damages, space->ino, what);
	if (err) {
		sks_bpf_close(&space->maps);
		return err;
	}
	sks_store_recover(space);
	sks_groups_recover(space);
	sks_slots_recover(space);
	/* Not worth leaving the namespace unserved. */
	err = sks_bpf_refresh(space->dir, &space->maps);
	if (err)
		sks_log(SKS_LOG_ERR, "%s: %s; the program there stays", space->dir, strerror(-err));
	sks_change_recover(space);
	sks_claims_sync(space);
	return 0;
}

/* Under another name first: a helper that dies at it leaves nothing that looks whole. */
static void remove_pins(struct sks_spaces *spaces, uint64_t ino)
{
	char dir[256], path[sizeof(dir)];

	sks_damage_forget(&spaces->damages, ino);
	if (sks_space_path(spaces->dir, ino, dir, sizeof(dir)))
		return;
	(void)snprintf(path, sizeof(path), "%s/" UNFINISHED "%llu", spaces->dir,
		       (unsigned long long)ino);
	sks_bpf_remove(path);
	sks_bpf_remove(rename(dir, path) ? dir : path);
}

static void take_up_entry(struct sks_spaces *spaces, const char *name)
{
	char path[384], why[SKS_PINS_WHYLEN];
	uint64_t ino = sks_space_number(name);
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
	err = take_up(spaces, space);
	if (!err) {
		spaces->spaces[spaces->n++] = space;
		return;
	}
	if (err == -ENODEV) {
		remove_pins(spaces, space->ino);
	} else {
		spaces->strangers = true;
		if (sks_spaces_are_unusable(spaces, ino, why))
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
	return sks_bpffs_prepare(dir);
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
	while (spaces->damages)
		sks_damage_forget(&spaces->damages, spaces->damages->ino);
}

void sks_spaces_remove(struct sks_spaces *spaces, struct sks_space *space)
{
	for (size_t i = 0; i < spaces->n; i++) {
		if (spaces->spaces[i] != space)
			continue;
		spaces->spaces[i] = spaces->spaces[--spaces->n];
		sks_claims_drop(space, !spaces->n);
		remove_pins(spaces, space->ino);
		/* Once nothing runs there: else connections would be refused meanwhile. */
		sks_closep(&space->maps.link);
		space->maps.link = -1;
		sks_bpf_empty(&space->maps);
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
		uint64_t ino = sks_space_number(entry->d_name);

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

static void bury(struct sks_spaces *spaces, struct sks_space *space)
{
	sks_event_namespace_gone(space->ino);
	sks_spaces_remove(spaces, space);
}

/*
 * A link knows that its namespace has died before the kernel says so to all (RTM_DELNSID), for
 * which each namespace would need a number. To ask it takes 0.4 us.
 */
void sks_spaces_bury(struct sks_spaces *spaces)
{
	for (size_t i = spaces->n; i-- > 0;) {
		if (is_dead(spaces->spaces[i]))
			bury(spaces, spaces->spaces[i]);
	}
	if (spaces->strangers)
		bury_strangers(spaces);
	sks_inside_forget();
}

struct sks_space *sks_spaces_find(struct sks_spaces *spaces, uint64_t ino)
{
	struct sks_space *space = listed(spaces, ino);

	if (!space || !is_dead(space))
		return space;
	bury(spaces, space);
	return NULL;
}

bool sks_spaces_are_unusable(const struct sks_spaces *spaces, uint64_t ino,
			     char ret_why[SKS_PINS_WHYLEN])
{
	char dir[256];

	return !listed(spaces, ino) && !sks_space_path(spaces->dir, ino, dir, sizeof(dir)) &&
	       (sks_damage_holds(spaces->damages, dir, ino, ret_why) ||
		sks_pins_are_foreign(dir, ino, ret_why));
}

/* What the bind hooks know the namespace by. */
static uint64_t cookie_of(int netns)
{
	CLEANUP_FD int sock = sks_inside_socket(netns, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);

	return sock < 0 ? 0 : sks_netns_cookie(sock);
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
	space->maps.ports->head.netns_cookie = cookie_of(netns);
	err = sks_classes_recover(space);
	if (!err && rename(unfinished, space->dir))
		err = -errno;
	if (err) {
		sks_bpf_remove(unfinished);
		sks_bpf_close(&space->maps);
	}
	return err;
}

static struct sks_space *new_space_of(struct sks_spaces *spaces, int netns, uint64_t ino,
				      int *ret_err)
{
	struct sks_space *space = new_space(spaces, ino);

	*ret_err = -ENOMEM;
	if (!space)
		return NULL;
	sks_payer_learn(space, netns);
	*ret_err = sks_payer_check(spaces, space->payer);
	if (*ret_err) { /* some may have nothing in them any more */
		sks_spaces_reap(spaces);
		*ret_err = sks_payer_check(spaces, space->payer);
	}
	if (!*ret_err)
		return space;
	free_memory(space);
	return NULL;
}

int sks_spaces_get(struct sks_spaces *spaces, int netns, uint64_t ino, struct sks_space **ret_space)
{
	struct sks_space *space = sks_spaces_find(spaces, ino);
	int err;

	if (space) {
		sks_payer_learn(space, netns);
		*ret_space = space;
		return 0;
	}
	space = new_space_of(spaces, netns, ino, &err);
	if (!space)
		return err;
	err = take_up(spaces, space); /* what could not be taken up at the start may be now */
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
