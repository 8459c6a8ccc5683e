// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns a report by somebody who is not the helper: from pins that the helper may be replacing. */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "bpffs.h"
#include "pins.h"
#include "report.h"
#include "sound.h"

/* Replacing a map takes a fraction of so long. */
#define TRIES	 100
#define PAUSE_NS 10000000
/* What a helper was just changing looks damaged once and not again. */
#define LOOKS 5

static int open_pins(const char *dir, uint64_t ino, struct sks_space *space,
		     char ret_why[SKS_PINS_WHYLEN])
{
	char what[SKS_SOUND_WHYLEN] = SKS_SOUND_SHAPE;
	uint64_t attached;
	int err = sks_space_path(dir, ino, space->dir, sizeof(space->dir));

	if (!err)
		err = sks_bpf_open(space->dir, false, &space->maps);
	if (err == -EUCLEAN && (access(space->dir, F_OK) || sks_pins_outlive(space->dir, ino)))
		err = -ENOENT; /* also where a helper takes them away at this moment */
	if (err == -EUCLEAN && !sks_pins_are_foreign(space->dir, ino, ret_why))
		sks_pins_say_damaged(space->dir, what, ret_why);
	if (err)
		return err;
	space->ino = ino;
	space->n_services = space->maps.entries[SKS_MAP_SERVICES];
	space->n_dests = space->maps.entries[SKS_MAP_DESTS];
	space->n_slots = space->maps.entries[SKS_MAP_SLOTS];
	space->n_bindings = space->maps.entries[SKS_MAP_BINDINGS];
	err = sks_bpf_netns(&space->maps, &attached);
	if (!err && attached != ino)
		err = -ENOENT; /* the pins of a dead namespace that had the same number */
	if (!err)
		err = sks_sound(&space->maps, what);
	if (err == -EUCLEAN)
		sks_pins_say_damaged(space->dir, what, ret_why);
	if (err)
		sks_bpf_close(&space->maps);
	return err;
}

/* 0, -errno; 1: maps were replaced meanwhile, so *ret_report may be of the past. */
static int read_once(const char *dir, uint64_t ino, sks_pins_reader *read, void *data,
		     struct json_object **ret_report, char ret_why[SKS_PINS_WHYLEN])
{
	struct sks_space space = {};
	bool settled;
	int err = open_pins(dir, ino, &space, ret_why);

	if (err)
		return err;
	*ret_report = read(&space, data);
	settled = sks_bpf_is_settled(&space.maps);
	sks_bpf_close(&space.maps);
	if (!*ret_report)
		return -ENOMEM;
	return settled ? 0 : 1;
}

int sks_pins_read(const char *dir, uint64_t ino, sks_pins_reader *read, void *data,
		  struct json_object **ret_report, char ret_why[SKS_PINS_WHYLEN])
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct json_object *report = NULL;
	int err = 1;

	/* Where a helper has died at it, they never settle; what is there is whole all the same. */
	for (int tries = 0; (err == 1 && tries < TRIES) || (err == -EUCLEAN && tries < LOOKS);
	     tries++) {
		if (tries)
			(void)nanosleep(&pause, NULL);
		json_object_put(report);
		report = NULL;
		err = read_once(dir, ino, read, data, &report, ret_why);
	}
	if (err < 0)
		return err;
	*ret_report = report;
	return 0;
}

static struct json_object *report_all(const struct sks_space *space, void *data)
{
	(void)data;
	return sks_report(space, SKS_UID_ALL, "");
}

int sks_report_pins(const char *dir, uint64_t ino, struct json_object **ret_report,
		    char ret_why[SKS_PINS_WHYLEN])
{
	return sks_pins_read(dir, ino, report_all, NULL, ret_report, ret_why);
}
