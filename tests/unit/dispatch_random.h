/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns what dispatch_test.c throws dice for: targets, listeners and packets that lie close to each
 * other, so that prefixes nest, ranges overlap, and packets come in at their edges.
 */
#ifndef SKSTEER_DISPATCH_RANDOM_H
#define SKSTEER_DISPATCH_RANDOM_H

#include <netinet/in.h>

#include "dispatch_model.h"
#include "random.h"

/* Sets few of the bits from that one on: what is drawn twice is often the same. */
static void sprinkle(uint8_t *addr, unsigned int from, unsigned int bits)
{
	for (unsigned int bit = from; bit < bits; bit++)
		addr[bit / 8] |= (uint8_t)(!below(12) << (7 - bit % 8));
}

static struct sks_prefix random_addr(unsigned int family)
{
	struct sks_prefix p = { .family = m_family(family),
				.len = family == SKS_V6 ? 128 : 32,
				.addr = { 10 } };

	if (family == SKS_V6)
		memcpy(p.addr, "\x20\x01\x0d\xb8", 4);
	sprinkle(p.addr, family == SKS_V6 ? 32 : 8, p.len);
	return p;
}

static struct sks_prefix random_prefix(unsigned int family)
{
	struct sks_prefix p = random_addr(family);
	unsigned int bits = p.len, len = bits;

	if (chance(80))
		len = family == SKS_V6 ? 32 + below(97) : 8 + below(25);
	else if (chance(20))
		len = 0;
	for (unsigned int bit = len; bit < bits; bit++)
		p.addr[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	p.len = (uint8_t)len;
	return p;
}

static uint16_t random_port(void)
{
	static const uint16_t ports[] = { 1, 22, 53, 80, 443, 1024, 8000, 8100, 32768, 65535 };

	if (chance(10))
		return (uint16_t)(1 + below(65535));
	return ports[below(sizeof(ports) / sizeof(ports[0]))];
}

static void random_range(struct m_binding *b)
{
	static const uint32_t widths[] = { 2, 3, 50, 1024, 1025, 30000 };
	uint32_t last;

	if (chance(11)) {
		b->all = true;
		b->first = 1;
		b->last = 65535;
		return;
	}
	b->first = (uint16_t)(random_port() - below(2));
	if (!b->first)
		b->first = 1;
	last = b->first + (chance(50) ? 1 : widths[below(6)]) - 1;
	b->last = (uint16_t)(last > 65535 ? 65535 : last);
}

/* Without its prefix. */
static struct m_binding random_binding(uint8_t service)
{
	static const uint16_t listener_ports[] = { 7, 7, 80 };
	struct m_binding b = { .used = true, .service = service, .proto = below(2) };
	unsigned int family = below(2);

	random_range(&b);
	b.where = chance(65) ? SKS_WHERE_PREFIX : below(2) ? SKS_WHERE_ANY : SKS_WHERE_LISTENER;
	b.by_hand = chance(30);
	if (!b.by_hand && chance(40))
		b.listener_port = listener_ports[below(3)];
	if (b.listener_port && chance(18))
		b.listener_addr.family = m_family(family);
	else if (b.listener_port && chance(15))
		b.listener_addr = random_addr(family);
	return b;
}

/* The kinds of sockets: IPv4, IPv6 alone, dual-stack. */
static uint8_t random_families(void)
{
	static const uint8_t kinds[] = {
		SKS_SERVES_V4 | SKS_SERVES_AS_V4,
		SKS_SERVES_V6,
		SKS_SERVES_BOTH | SKS_SERVES_AS_V6,
	};

	return kinds[below(3)];
}

static struct m_listener random_listener(uint8_t service)
{
	static const uint16_t ports[] = { 7, 7, 7, 80 };
	struct m_listener l = { .used = true, .service = service, .proto = below(2) };
	unsigned int family = below(2);

	l.port = ports[below(4)];
	l.ifindex = chance(3) ? M_ELSEWHERE : 0;
	if (chance(50)) {
		l.addr = random_addr(family);
		l.families = family == SKS_V6 ? SKS_SERVES_V6 : SKS_SERVES_V4 | SKS_SERVES_AS_V4;
	} else {
		l.families = random_families();
		l.addr.family = l.families & SKS_SERVES_V6 ? AF_INET6 : AF_INET;
	}
	return l;
}

/* At an edge of the binding, or just anywhere. */
static uint16_t port_near(const struct m_binding *b)
{
	uint32_t port = random_port();

	switch (below(6)) {
	case 0:
		port = b->first;
		break;
	case 1:
		port = b->last;
		break;
	case 2:
		port = b->first - 1u;
		break;
	case 3:
		port = b->last + 1u;
		break;
	case 4:
		port = b->first + below(b->last - b->first + 1u);
		break;
	}
	return port && port <= 65535 ? (uint16_t)port : 1;
}

static struct m_packet random_packet(const struct model *m)
{
	const struct m_binding *b = &m->bindings[below(M_BINDINGS)];
	const struct m_listener *l = &m->listeners[below(M_LISTENERS)];
	struct m_packet p = { .proto = below(2), .family = below(2), .port = random_port() };
	unsigned int bits;

	for (unsigned int tries = 0; tries < M_BINDINGS && !b->used; tries++)
		b = &m->bindings[below(M_BINDINGS)];
	if (b->used && chance(95)) {
		p.proto = b->proto;
		p.port = port_near(b);
	}
	if (b->used && b->prefix.family)
		p.family = b->prefix.family == AF_INET6 ? SKS_V6 : SKS_V4;
	memcpy(p.addr, random_addr(p.family).addr, sizeof(p.addr));
	bits = p.family == SKS_V6 ? 128 : 32;
	if (l->used && l->addr.family == m_family(p.family) && l->addr.len && chance(40)) {
		memcpy(p.addr, l->addr.addr, sizeof(p.addr));
	} else if (b->used && b->prefix.family) {
		memcpy(p.addr, b->prefix.addr, sizeof(p.addr));
		sprinkle(p.addr, b->prefix.len, bits);
	}
	if (chance(15)) { /* the neighbour */
		unsigned int bit = below(bits);

		p.addr[bit / 8] ^= (uint8_t)(0x80u >> bit % 8);
	}
	return p;
}

#endif
