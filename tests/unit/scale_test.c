/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the test of a full namespace, as TAP: 4096 services with 1 000 000 bindings are compiled,
 * answered for by the loaded program, taken up by the next helper, and refuse one more of each.
 *
 * Usage, as root: scale_test [BINDINGS]
 */
#include <time.h>

#include "../../helper/change.h"
#include "../../helper/dest.h"
#include "../../helper/slot.h"
#include "dispatch_real.h"

#define PORTS	16000u /* a protocol, from FIRST on */
#define FIRST	1000u
#define SAMPLES 20000u

static struct sks_dest *dests[SKS_MAX_SERVICES];
static struct m_socket sockets[SKS_MAX_SERVICES];

/* ms since it was last asked: for people, not for the verdict. */
static void say_time(const char *what)
{
	static struct timespec last;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (what)
		printf("# %s: %.0f ms\n", what,
		       (double)(now.tv_sec - last.tv_sec) * 1e3 +
			       (double)(now.tv_nsec - last.tv_nsec) / 1e6);
	last = now;
}

/* The k-th binding of a port: 10.K.0.0/16 with K from 0 on, to one service or another. */
static uint32_t service_of(uint32_t port, uint32_t k)
{
	return (port * 31 + k * 7) % SKS_MAX_SERVICES;
}

static void add_socket(uint32_t i, struct m_socket s)
{
	struct sks_slot slot = { .cookie = s.cookie, .families = s.families };

	sockets[i] = s;
	need_done(sks_slot_take(space, dests[i], s.fd, &slot, &s.slot), "sks_slot_take");
	sks_slot_link(space, s.slot, SKS_SERVES_V4, s.fd);
}

/* Descriptors are few, so most of the services share a socket. */
static void add_services(unsigned int n_sockets)
{
	struct sks_socket sock = {
		.proto = SKS_TCP,
		.families = SKS_SERVES_V4 | SKS_SERVES_AS_V4,
		.addr = { .family = AF_INET },
		.port = 7,
	};
	struct sks_service *service;

	for (uint32_t i = 0; i < SKS_MAX_SERVICES; i++) {
		need_done(sks_store_add_service(space, &service), "sks_store_add_service");
		service->named = 1;
		snprintf(service->label, sizeof(service->label), "s%u", i);
		sks_owner_next(space, service)->first_port[SKS_TCP] = sock.port;
		need_done(sks_dest_get(space, service, &sock, &dests[i]), "sks_dest_get");
		add_socket(i, i < n_sockets ? real_socket(SKS_TCP, sock.families)
					    : sockets[i % n_sockets]);
	}
}

static int add_binding(uint32_t i)
{
	struct sks_binding *binding;
	uint32_t port = FIRST + i % PORTS, k = i / PORTS;
	int err = sks_store_add_binding(space, SKS_FROM_CTL, &binding);

	if (err)
		return err;
	binding->service = (uint16_t)service_of(port, k);
	binding->first = binding->last = (uint16_t)port;
	binding->where = SKS_WHERE_PREFIX;
	binding->family = AF_INET;
	binding->len = 16;
	binding->addr[0] = 10;
	binding->addr[1] = (uint8_t)k;
	return 0;
}

/* Does a packet for some binding get that binding's service? */
static bool is_right(uint32_t n)
{
	uint64_t dice = 88172645463325252u;

	for (unsigned int i = 0; i < SAMPLES; i++) {
		struct m_packet p = { .proto = SKS_TCP, .family = SKS_V4, .addr = { 10 } };
		struct m_verdict verdict;
		uint32_t at;

		dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
		at = (uint32_t)(dice >> 16) % n;
		p.port = (uint16_t)(FIRST + at % PORTS);
		p.addr[1] = (uint8_t)(at / PORTS);
		p.addr[2] = (uint8_t)(dice >> 8);
		p.addr[3] = (uint8_t)dice;
		verdict = real_verdict(&p);
		if (sockets[service_of(p.port, at / PORTS)].cookie != verdict.cookie) {
			printf("# sample %u, port %u, 10.%u.0.0/16: cookie %llu for %llu\n", i,
			       p.port, p.addr[1], (unsigned long long)verdict.cookie,
			       (unsigned long long)sockets[service_of(p.port, at / PORTS)].cookie);
			return false;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	uint32_t n = argc > 1 ? (uint32_t)atoi(argv[1]) : SKS_MAX_BINDINGS;
	struct sks_service *service;
	char what[SKS_SOUND_WHYLEN];
	uint32_t epoch;
	int err = 0;

	real_start();
	say_time(NULL);
	add_services(500);
	need_done(sks_change_republish(space), "sks_change_republish");
	say_time("4096 services");
	for (uint32_t i = 0; !err && i < n; i++)
		err = add_binding(i);
	tap_check(!err, "1 000 000 bindings of 4096 services find room");
	say_time("records");
	tap_check(!sks_change_republish(space), "and are compiled");
	say_time("compiled");
	tap_check(is_right(n), "the program knows them all");
	say_time("asked 20 000 times");

	epoch = sks_epoch(&space->maps);
	tap_check(n < SKS_MAX_BINDINGS || add_binding(0) == -ENOSPC, "one more is refused");
	tap_check(sks_store_add_service(space, &service) == -ENOSPC, "one more service is refused");
	sks_store_abort(space);
	tap_check(sks_epoch(&space->maps) == epoch && is_right(n), "and nothing has changed");
	say_time("refused");

	sks_store_kill_binding(space, &space->maps.bindings[n / 2]);
	need_done(add_binding(n / 2), "sks_store_add_binding after one went");
	say_time(NULL);
	tap_check(!sks_change_republish(space), "one goes, another comes");
	say_time("one of them changed");
	tap_check(is_right(n), "and the rest is as it was");
	say_time(NULL);
	tap_check(!sks_sound(&space->maps, what), "all records are what a helper wrote");
	say_time("looked over");
	real_crash();
	say_time("taken up by the next helper");
	tap_check(is_right(n), "the next helper knows them all");
	return tap_done();
}
