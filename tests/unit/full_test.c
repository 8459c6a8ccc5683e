/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the test of a namespace in which every rule is used, as TAP: one more is refused with a text
 * and nothing of it is applied, the other protocol has rules of its own, a rule that is given up is
 * to be had again, and all of them survive their helper.
 *
 * Usage, as root: full_test
 */
#include "../../helper/change.h"
#include "../../helper/dest.h"
#include "../../helper/slot.h"
#include "dispatch_real.h"

#define FIRST 1000u /* port number FIRST + i has rule i */

static unsigned int checks, failures;
static struct sks_verdict verdict;
static struct sks_service *service;
static struct m_socket server[2]; /* SKS_TCP, SKS_UDP */

static void check(bool ok, const char *what)
{
	printf("%sok %u - %s\n", ok ? "" : "not ", ++checks, what);
	if (!ok && verdict.err)
		printf("# error %d: %s\n", verdict.err, verdict.text);
	fflush(stdout);
	failures += !ok;
}

/* As for root, who may have as much as there is. */
static int finish(void)
{
	struct sks_peer root = { .root = true, .binds_low = true };
	struct sks_change change = {
		.spaces = &real_spaces,
		.space = space,
		.peer = &root,
		.netns = real_netns,
		.service = service,
		.fd = -1,
		.verdict = &verdict,
	};

	verdict = (struct sks_verdict){};
	return sks_change_finish(&change);
}

/* 10.x.y.z/32, another for each port: no two ports have the same set of prefixes. */
static void address_of(uint32_t i, uint8_t addr[16])
{
	addr[0] = 10;
	addr[1] = (uint8_t)(i >> 16);
	addr[2] = (uint8_t)(i >> 8);
	addr[3] = (uint8_t)i;
}

/* Needs a rule of its own. */
static struct sks_binding *add_binding(uint8_t proto, uint32_t i)
{
	struct sks_binding *binding;

	need_done(sks_store_add_binding(space, SKS_FROM_CTL, &binding), "sks_store_add_binding");
	binding->service = sks_service_number(space, service);
	binding->proto = proto;
	binding->first = binding->last = (uint16_t)(FIRST + i);
	binding->where = SKS_WHERE_PREFIX;
	binding->family = AF_INET;
	binding->len = 32;
	address_of(i, binding->addr);
	return binding;
}

static void add_server(uint8_t proto)
{
	struct sks_socket sock = {
		.proto = proto,
		.families = SKS_SERVES_V4 | SKS_SERVES_AS_V4,
		.addr = { .family = AF_INET },
		.port = 7,
	};
	struct sks_slot slot = { .families = sock.families, .weight = 100 };
	struct sks_dest *dest;

	server[proto] = real_socket(proto, sock.families);
	slot.cookie = server[proto].cookie;
	sks_owner_next(space, service)->first_port[proto] = sock.port;
	need_done(sks_dest_get(space, service, &sock, &dest), "sks_dest_get");
	need_done(sks_slot_take(space, dest, server[proto].fd, &slot, &server[proto].slot),
		  "sks_slot_take");
	sks_slot_link(space, server[proto].slot, SKS_SERVES_V4, server[proto].fd);
}

static void set_up(void)
{
	need_done(sks_store_add_service(space, &service), "sks_store_add_service");
	service->named = 1;
	memcpy(service->label, "full", sizeof("full"));
	add_server(SKS_TCP);
	add_server(SKS_UDP);
	need_done(finish(), "a label with two servers");
}

static bool is_served(uint8_t proto, uint32_t i)
{
	struct m_packet p = { .proto = proto, .family = SKS_V4, .port = (uint16_t)(FIRST + i) };
	struct m_verdict got;

	address_of(i, p.addr);
	got = real_verdict(&p);
	if (got.kind != M_SOCKET || got.cookie != server[proto].cookie)
		return false;
	p.addr[0] = 11;
	return real_verdict(&p).kind == M_PASS;
}

/* The first n, and none after them. */
static bool are_served(uint8_t proto, uint32_t n)
{
	for (uint32_t i = 0; i < SKS_MAX_RULES + 2; i++) {
		if (is_served(proto, i) == (i < n))
			continue;
		printf("# port %u, protocol %u: not as it should be\n", FIRST + i, proto);
		return false;
	}
	return true;
}

static uint32_t used_rules(uint8_t proto)
{
	static bool seen[SKS_MAX_RULES];
	uint32_t n = 0;

	memset(seen, 0, sizeof(seen));
	for (uint32_t port = 0; port < SKS_PORT_NUMBERS; port++) {
		uint32_t value =
			space->maps.ports
				->table[sks_table_index(sks_epoch(&space->maps), proto, port)];

		if (value < SKS_TABLE_RULES || seen[value - SKS_TABLE_RULES])
			continue;
		seen[value - SKS_TABLE_RULES] = true;
		n++;
	}
	return n;
}

static bool is_refused(int err)
{
	return err == -ENOSPC && verdict.err == -ENOSPC &&
	       !strcmp(verdict.text, "this namespace has no room for more different sets of "
				     "prefixes on ports (49152)");
}

/* A change that begins with what there is room for and ends with what there is none for. */
static void refuse_more(const char *when)
{
	uint32_t epoch = sks_epoch(&space->maps), bindings = space->used_bindings;
	char what[128];

	for (uint32_t i = 0; i < 100; i++)
		(void)add_binding(SKS_UDP, i);
	(void)add_binding(SKS_TCP, SKS_MAX_RULES);
	snprintf(what, sizeof(what), "%s, one more is refused, and it is said why", when);
	check(is_refused(finish()), what);
	check(sks_epoch(&space->maps) == epoch && space->used_bindings == bindings,
	      "no state comes of it");
	check(are_served(SKS_TCP, SKS_MAX_RULES) && are_served(SKS_UDP, 0),
	      "every packet gets what it got before");
}

int main(void)
{
	struct sks_binding *last = NULL;

	_Static_assert(SKS_MAX_RULES == 49152, "as the text says");
	_Static_assert(FIRST + SKS_MAX_RULES + 2 < SKS_PORT_NUMBERS, "a port for each");
	real_start();
	set_up();
	for (uint32_t i = 0; i < SKS_MAX_RULES; i++)
		last = add_binding(SKS_TCP, i);
	check(!finish() && used_rules(SKS_TCP) == SKS_MAX_RULES, "49152 rules find room");
	check(are_served(SKS_TCP, SKS_MAX_RULES), "and the program knows them all");
	refuse_more("with all of them used");
	refuse_more("with nothing left behind by that");

	(void)add_binding(SKS_UDP, 0);
	check(!finish() && are_served(SKS_UDP, 1), "the other protocol has rules of its own");
	sks_store_kill_binding(space, last);
	check(!finish() && are_served(SKS_TCP, SKS_MAX_RULES - 1), "one of them goes");
	last = add_binding(SKS_TCP, SKS_MAX_RULES - 1);
	check(!finish() && are_served(SKS_TCP, SKS_MAX_RULES), "another comes in its place");

	sks_store_kill_binding(space, last); /* never published */
	real_crash();
	service = &space->maps.services[0];
	check(used_rules(SKS_TCP) == SKS_MAX_RULES && are_served(SKS_TCP, SKS_MAX_RULES) &&
		      are_served(SKS_UDP, 1),
	      "the next helper takes up all of them");
	printf("1..%u\n", checks);
	return failures != 0;
}
