/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns which bindings the bench makes and which packets it draws, the same in every run.
 *
 * any:    N ports on any address: TCP, and above PLAN_PORTS as many UDP ports as are missing; each
 *	   of one of 16 services by lot.
 * prefix: TCP ports with one, two, three or four prefixes in turn (2.5 in the mean), /24 to /32
 *	   within 127.0.0.0/8, each of a service by lot. No two ports have the same prefixes, so
 *	   that each port is a class of its own: the worst case.
 *
 * A packet is to a TCP binding by lot, and to one of its addresses by lot.
 */
#ifndef SKSTEER_BENCH_PLAN_H
#define SKSTEER_BENCH_PLAN_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "packet.h"

#define PLAN_LABELS 16u
#define PLAN_PORTS  63997u /* 1 to there, a prime; the servers' own are above */
#define PLAN_SPEC   15000u /* bytes of a spec, of 16 KiB that a request may have */

/* Of the packets that stay the same; tests/bench/dispatch binds them. */
#define PLAN_ANY_PORT	 1001
#define PLAN_PREFIX_PORT 2000
#define PLAN_MISS_PORT	 3000

enum plan_kind { PLAN_ANY, PLAN_PREFIX };

struct plan_target {
	uint32_t label;
	uint32_t addr; /* host byte order */
	uint8_t len;
	uint8_t proto; /* IPPROTO_... */
	uint16_t port;
};

static uint32_t plan_hash(uint32_t x)
{
	x = (x ^ x >> 16) * 0x7feb352du;
	x = (x ^ x >> 15) * 0x846ca68bu;
	return x ^ x >> 16;
}

/* The i-th port of a walk that meets each of them once. */
static uint16_t plan_port(uint32_t i)
{
	return (uint16_t)(1 + (uint64_t)i * 40503 % PLAN_PORTS);
}

static uint32_t plan_labels(uint32_t n)
{
	return n < PLAN_LABELS ? n : PLAN_LABELS;
}

/* Ports of TCP among N bindings of ports on any address. */
static uint32_t plan_tcp(uint32_t n)
{
	return n < PLAN_PORTS ? n : PLAN_PORTS;
}

static struct plan_target plan_any(uint32_t i, uint32_t n)
{
	return (struct plan_target){
		.label = plan_hash(i) % plan_labels(n),
		.proto = i < plan_tcp(n) ? IPPROTO_TCP : IPPROTO_UDP,
		.port = plan_port(i),
	};
}

/* Ten bindings are four ports. */
static struct plan_target plan_prefix(uint32_t i, uint32_t n)
{
	static const uint8_t ports[] = { 0, 1, 1, 2, 2, 2, 3, 3, 3, 3 };
	static const uint8_t nth[] = { 0, 0, 1, 0, 1, 2, 0, 1, 2, 3 };
	uint32_t hash = plan_hash(i), k = nth[i % 10];
	uint8_t len = (uint8_t)(32 - 2 * k - hash % (k == 3 ? 3 : 2));

	return (struct plan_target){
		.label = plan_hash(~i) % plan_labels(n),
		.addr = (127u << 24 | hash >> 8) & ~0u << (32 - len),
		.len = len,
		.proto = IPPROTO_TCP,
		.port = plan_port(i / 10 * 4 + ports[i % 10]),
	};
}

static struct plan_target plan_target(enum plan_kind kind, uint32_t i, uint32_t n)
{
	return kind == PLAN_ANY ? plan_any(i, n) : plan_prefix(i, n);
}

static struct bench_packet plan_packet(enum plan_kind kind, uint32_t i, uint32_t n, uint32_t lot)
{
	struct plan_target t = plan_target(kind, i, n);
	uint32_t host = t.len ? ~((uint64_t)~0u << (32 - t.len)) : 0xffffffu;

	if (kind == PLAN_ANY)
		t.addr = 127u << 24;
	return (struct bench_packet){ htonl(t.addr | (lot & host)), t.port };
}

static void plan_draw(struct bench_packets *packets, enum plan_kind kind, uint32_t n)
{
	uint32_t among = kind == PLAN_ANY ? plan_tcp(n) : n;

	for (uint32_t i = 0; i < BENCH_PACKETS; i++) {
		uint32_t binding = (uint32_t)((uint64_t)plan_hash(i * 2 + 1) * among >> 32);

		packets->of[i] = plan_packet(kind, binding, n, plan_hash(i * 2));
	}
}

/* Appends a target to a spec of one protocol. Returns its new length. */
static size_t plan_append(char *spec, size_t len, const struct plan_target *t, enum plan_kind kind)
{
	struct in_addr addr = { htonl(t->addr) };
	char text[INET_ADDRSTRLEN];

	if (kind == PLAN_ANY)
		return len + (size_t)sprintf(spec + len, len ? ",%u" : "any:%u", t->port);
	(void)inet_ntop(AF_INET, &addr, text, sizeof(text));
	return len +
	       (size_t)sprintf(spec + len, "%s%s/%u:%u", len ? ";" : "", text, t->len, t->port);
}

/* One "LABEL SPEC" a line, for as many calls of sksteerctl bind. */
static void plan_print(enum plan_kind kind, uint32_t n)
{
	char spec[PLAN_SPEC + 64];

	for (uint32_t part = 0; part < 2 * plan_labels(n); part++) {
		bool udp = part % 2;
		size_t len = 0;

		for (uint32_t i = 0; i < n; i++) {
			struct plan_target t = plan_target(kind, i, n);

			if (t.label != part / 2 || (t.proto == IPPROTO_UDP) != udp)
				continue;
			len = plan_append(spec, len, &t, kind);
			if (len < PLAN_SPEC)
				continue;
			printf("b%u %s%s\n", part / 2, spec, udp ? "/udp" : "");
			len = 0;
		}
		if (len)
			printf("b%u %s%s\n", part / 2, spec, udp ? "/udp" : "");
	}
}

#endif
