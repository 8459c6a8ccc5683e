// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the way into a namespace when nobody asks who is in it (see enter.h). */
#include <errno.h>
#include <unistd.h>

#include "enter.h"
#include "process.h"

static int enter_by(struct sks_space *space, pid_t pid)
{
	int netns = pid > 0 ? sks_netns_of_process(pid, space->ino) : -ESRCH;

	if (netns >= 0)
		space->door = pid;
	return netns;
}

int sks_enter_known(struct sks_space *space)
{
	int netns = enter_by(space, space->door);

	if (netns < 0)
		netns = enter_by(space, getpid());
	for (uint32_t i = 1; netns < 0 && i < space->n_slots; i++) {
		if (space->maps.slots[i].cookie)
			netns = enter_by(space, (pid_t)space->maps.slots[i].pid);
	}
	return netns;
}

int sks_enter(struct sks_space *space)
{
	int netns = sks_enter_known(space);

	/* A daemon's first process, which registered, has ended; any will do. */
	return netns < 0 ? sks_netns_of_any(space->ino, &space->door) : netns;
}
