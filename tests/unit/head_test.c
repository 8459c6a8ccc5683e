/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the test of heads, as TAP: where the program finds a destination's first socket at once,
 * there is the one that is first in its chain, and none where the chain or a group has to be asked.
 *
 * Usage, as root: head_test
 */
#include "../../helper/change.h"
#include "../../helper/dest.h"
#include "../../helper/group.h"
#include "../../helper/slot.h"
#include "dispatch_real.h"

static struct sks_dest *dest;
static unsigned int checks, failures;

/* socket: NULL for no head. */
static void check(const struct m_socket *socket, const char *what)
{
	uint32_t head = (uint32_t)(dest - space->maps.dests) * 2 + SKS_V4;
	uint64_t cookie = 0;
	bool there = !bpf_map_lookup_elem(space->maps.fd[SKS_MAP_HEADS], &head, &cookie);
	bool ok = there == !!socket && (!socket || cookie == socket->cookie);

	printf("%sok %u - %s\n", ok ? "" : "not ", ++checks, what);
	fflush(stdout);
	failures += !ok;
}

static struct m_socket add(void)
{
	struct m_socket s = real_socket(SKS_UDP, SKS_SERVES_V4);
	struct sks_slot slot = { .cookie = s.cookie, .families = s.families, .weight = 100 };

	need_done(sks_slot_take(space, dest, s.fd, &slot, &s.slot), "sks_slot_take");
	sks_slot_link(space, s.slot, SKS_SERVES_BOTH, s.fd);
	return s;
}

static void lose(const struct m_socket *s)
{
	close(s->fd);
	(void)sks_slots_sweep(space);
}

static void set_up(uint16_t port)
{
	struct sks_socket sock = {
		.proto = SKS_UDP,
		.families = SKS_SERVES_V4 | SKS_SERVES_AS_V4,
		.addr = { .family = AF_INET },
		.port = port,
	};
	struct sks_service *service;

	need_done(sks_store_add_service(space, &service), "sks_store_add_service");
	service->named = 1;
	memcpy(service->label, "head", sizeof("head"));
	need_done(sks_dest_get(space, service, &sock, &dest), "sks_dest_get");
	need_done(sks_change_republish(space), "sks_change_republish");
}

int main(void)
{
	struct m_socket a, b, c, d;

	real_start();
	set_up(53);
	a = add();
	b = add();
	c = add();
	d = add();
	check(&d, "the newest is the head");
	close(d.fd);
	check(NULL, "one that closes is no head any more");
	(void)sks_slots_sweep(space);
	check(&c, "when that is seen, the next of the chain is");
	lose(&b);
	check(&c, "one from the middle of the chain leaves the head alone");
	sks_slot_drop(space, c.slot);
	check(NULL, "nor is one that is dropped while it is open");
	sks_slots_settle(space);
	check(&a, "and then the next is");
	real_crash();
	dest = &space->maps.dests[space->maps.slots[a.slot].dest];
	check(&a, "the next helper leaves it so");
	d = add();
	need_done(sks_group_start(space, dest, SKS_V4), "sks_group_start");
	check(NULL, "a group has none");
	lose(&d);
	check(NULL, "nor when one of its sockets goes");
	set_up(54);
	d = add();
	check(&d, "another destination has its own");
	sks_store_kill_dest(space, dest);
	need_done(sks_change_republish(space), "sks_change_republish");
	check(NULL, "and takes it along, whoever still listens");
	printf("1..%u\n", checks);
	return failures != 0;
}
