/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns what dispatch_test.c asks about numbers that no verdict shows: that none is given out too
 * early, and that none is lost.
 */
#ifndef SKSTEER_DISPATCH_NUMBERS_H
#define SKSTEER_DISPATCH_NUMBERS_H

#include "../../helper/class.h"
#include "dispatch_real.h"

/* A number is not given out while a program that runs could still hold it (sks_store_grace). */
static bool is_graceful(void)
{
	bool early = false;

	for (uint32_t i = 1; i < space->n_dests; i++)
		early |= space->maps.dests[i].born && space->freed.dests[i];
	for (uint32_t i = 1; i < space->n_slots; i++)
		early |= space->maps.slots[i].cookie && space->freed.slots[i];
	for (uint32_t i = 0; i < 2 * SKS_PORT_NUMBERS; i++) {
		uint32_t proto = i / SKS_PORT_NUMBERS;
		uint32_t at = sks_table_index(sks_epoch(&space->maps), proto, i & 0xffff);
		uint32_t value = space->maps.ports->table[at];

		early |= value >= SKS_TABLE_RULES &&
			 space->freed.rules[proto][value - SKS_TABLE_RULES];
	}
	if (early)
		printf("# a number that was freed lately has been given out\n");
	return !early;
}

/* There are as many classes as rules that the table or the rule of all ports leads to. */
static bool is_tidy(void)
{
	static bool seen[2 * SKS_MAX_RULES];
	const struct sks_ports *ports = space->maps.ports;
	uint32_t epoch = sks_epoch(&space->maps);
	size_t n = 0;

	memset(seen, 0, sizeof(seen));
	for (uint32_t proto = SKS_TCP; proto <= SKS_UDP; proto++) {
		uint32_t star = ports->head.star[sks_star_index(epoch, proto)];

		if (star)
			seen[star - 1] = true;
		for (uint32_t port = 0; port < SKS_PORT_NUMBERS; port++) {
			uint32_t value = ports->table[sks_table_index(epoch, proto, port)];

			if (value >= SKS_TABLE_RULES)
				seen[(value - SKS_TABLE_RULES) * 2 + proto] = true;
		}
	}
	for (uint32_t rule = 0; rule < 2 * SKS_MAX_RULES; rule++)
		n += seen[rule];
	if (n != space->classes->n)
		printf("# %zu rules are used, of %zu\n", n, space->classes->n);
	return n == space->classes->n;
}

#endif
