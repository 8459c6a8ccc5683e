/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the test of the sweep, as TAP: it drops the sockets that have been closed and no other,
 * whether it asks for each or for all of them at once, also when their map has become another one.
 *
 * Usage, as root: census_test
 */
#include <sys/resource.h>

#include "../../helper/change.h"
#include "../../helper/dest.h"
#include "../../helper/slot.h"
#include "dispatch_real.h"

#define MANY 600 /* more than the map begins with, more than a word has bits */

static struct sks_dest *dest;
static struct m_socket sockets[MANY];

static void set_up(void)
{
	struct rlimit limit;
	struct sks_socket sock = {
		.proto = SKS_UDP,
		.families = SKS_SERVES_V4 | SKS_SERVES_AS_V4,
		.addr = { .family = AF_INET },
		.port = 53,
	};
	struct sks_service *service;

	need(!getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	need(!setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
	real_start();
	need_done(sks_store_add_service(space, &service), "sks_store_add_service");
	service->named = 1;
	memcpy(service->label, "census", sizeof("census"));
	need_done(sks_dest_get(space, service, &sock, &dest), "sks_dest_get");
	need_done(sks_change_republish(space), "sks_change_republish");
}

static void add(unsigned int first, unsigned int end)
{
	for (unsigned int i = first; i < end; i++) {
		struct m_socket s = real_socket(SKS_UDP, SKS_SERVES_V4);
		struct sks_slot slot = { .cookie = s.cookie, .families = s.families };

		need_done(sks_slot_take(space, dest, s.fd, &slot, &s.slot), "sks_slot_take");
		sks_slot_link(space, s.slot, SKS_SERVES_BOTH, s.fd);
		sockets[i] = s;
	}
}

/* Closes every step-th that is open; how many. */
static unsigned int lose(unsigned int step)
{
	unsigned int seen = 0, lost = 0;

	for (unsigned int i = 0; i < MANY; i++) {
		if (!sockets[i].slot || ++seen % step)
			continue;
		close(sockets[i].fd);
		sockets[i].slot = 0;
		lost++;
	}
	return lost;
}

/* Those that are open, and they alone. */
static bool are_right(void)
{
	unsigned int open = 0, kept = 0;

	for (unsigned int i = 0; i < MANY; i++) {
		if (!sockets[i].slot)
			continue;
		open++;
		if (!sks_slot_lives(&space->maps, sockets[i].slot))
			return false;
	}
	for (uint32_t i = 1; i < space->maps.entries[SKS_MAP_SLOTS]; i++)
		kept += space->maps.slots[i].cookie != 0;
	return open == kept;
}

static void check_sweep(unsigned int step, int state, const char *how)
{
	unsigned int lost = lose(step), gone = sks_slots_sweep(space);

	tap_check(gone == lost && are_right(), "%u sockets close, and %u go: %s", lost, gone, how);
	tap_check((int)space->maps.census.state == state, "asked that way: %s", how);
	tap_check(!sks_slots_sweep(space) && are_right(), "no other goes: %s", how);
}

int main(void)
{
	uint32_t begun;

	set_up();
	add(0, 3);
	check_sweep(2, SKS_CENSUS_NONE, "each is asked for");
	begun = space->maps.entries[SKS_MAP_SLOTS];
	add(3, 100);
	check_sweep(3, SKS_CENSUS_LOADED, "all at once");
	add(100, MANY);
	tap_check(space->maps.entries[SKS_MAP_SLOTS] > begun, "the map has grown");
	tap_check(space->maps.census.state == SKS_CENSUS_NONE, "and its census was dropped");
	check_sweep(5, SKS_CENSUS_LOADED, "all of a larger map at once");
	real_crash();
	dest = &space->maps.dests[1];
	check_sweep(2, SKS_CENSUS_LOADED, "all at once by the next helper");
	space->maps.census.state = SKS_CENSUS_REFUSED;
	check_sweep(3, SKS_CENSUS_REFUSED, "each, where the kernel refuses the program");
	lose(1);
	tap_check(sks_slots_sweep(space) && are_right(), "the last go");
	tap_check(space->n_slots <= 1, "and no number is looked at any more");
	return tap_done();
}
