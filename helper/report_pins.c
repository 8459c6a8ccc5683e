// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns a report by somebody who is not the helper: from pins that the helper may be replacing. */
#include <errno.h>
#include <time.h>

#include "pins.h"
#include "report.h"
#include "space.h"

/* Replacing a map takes a fraction of so long. */
#define TRIES	 100
#define PAUSE_NS 10000000

static int open_pins(const char *dir, uint64_t ino, struct sks_space *space)
{
	uint64_t attached;
	int err = sks_space_path(dir, ino, space->dir, sizeof(space->dir));

	if (!err)
		err = sks_bpf_open(space->dir, false, &space->maps);
	if (err == -EUCLEAN && sks_pins_outlive(space->dir, ino))
		err = -ENOENT;
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
	if (err)
		sks_bpf_close(&space->maps);
	return err;
}

/* 0, -errno; 1: maps were replaced meanwhile, so *ret_report may be of the past. */
static int report_pins_once(const char *dir, uint64_t ino, struct json_object **ret_report)
{
	struct sks_space space = {};
	bool settled;
	int err = open_pins(dir, ino, &space);

	if (err)
		return err;
	*ret_report = sks_report(&space, SKS_UID_ALL, "");
	settled = sks_bpf_is_settled(&space.maps);
	sks_bpf_close(&space.maps);
	if (!*ret_report)
		return -ENOMEM;
	return settled ? 0 : 1;
}

int sks_report_pins(const char *dir, uint64_t ino, struct json_object **ret_report)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct json_object *report = NULL;
	int err = 1;

	/* Where a helper has died at it, they never settle; what is there is whole all the same. */
	for (int tries = 0; err == 1 && tries < TRIES; tries++) {
		if (tries)
			(void)nanosleep(&pause, NULL);
		json_object_put(report);
		report = NULL;
		err = report_pins_once(dir, ino, &report);
	}
	if (err < 0)
		return err;
	*ret_report = report;
	return 0;
}
