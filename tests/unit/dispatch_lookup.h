/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the comparison of what `sksteerctl lookup` says (helper/lookup.c) with dispatch_test.c's
 * model: the verdict, the socket, and the binding that has won.
 */
#ifndef SKSTEER_DISPATCH_LOOKUP_H
#define SKSTEER_DISPATCH_LOOKUP_H

#include "../../helper/lookup.h"
#include "dispatch_real.h"

static unsigned int n_explained, n_explained_by;

/* Does the route come of the claim, or of one that nothing tells from it? */
static bool is_won_by(const struct sks_route *route, const struct m_claim *claim)
{
	return route && route->prefix.len == 128u - claim->host_bits &&
	       route->width == claim->width && route->begins == claim->first &&
	       route->born == claim->age;
}

static bool lookup_agrees(const struct sks_lookup *lookup, const struct m_verdict *wanted)
{
	switch (wanted->kind) {
	case M_PASS:
		return lookup->kind == SKS_LOOKUP_PASSED;
	case M_DROP:
		return lookup->kind == SKS_LOOKUP_REFUSED &&
		       is_won_by(lookup->route, &wanted->claim);
	case M_SOCKET:
		return lookup->kind == SKS_LOOKUP_STEERED && lookup->n_slots == 1 &&
		       space->maps.slots[lookup->slots[0]].cookie == wanted->cookie &&
		       is_won_by(lookup->route, &wanted->claim) &&
		       lookup->route->dest == wanted->claim.listener->dest;
	default:
		return true;
	}
}

static bool lookup_explains(const struct m_packet *p, const struct m_verdict *wanted)
{
	static struct sks_lookup lookup;
	bool agrees;

	lookup = (struct sks_lookup){ .space = space, .netns = real_netns };
	lookup.packet.proto = p->proto;
	lookup.packet.local = (struct sks_prefix){ .family = m_family(p->family) };
	lookup.packet.local.len = (uint8_t)sks_family_bits(lookup.packet.local.family);
	memcpy(lookup.packet.local.addr, p->addr, lookup.packet.local.len / 8);
	lookup.packet.local_port = p->port;
	need_done(sks_lookup(&lookup), "sks_lookup");
	agrees = lookup_agrees(&lookup, wanted);
	n_explained++;
	n_explained_by += lookup.route != NULL;
	if (!agrees)
		printf("# lookup: verdict %d, %zu sockets, the first %llu; binding %d\n",
		       lookup.kind, lookup.n_slots,
		       (unsigned long long)(lookup.n_slots
						    ? space->maps.slots[lookup.slots[0]].cookie
						    : 0),
		       lookup.route ? (int)lookup.route->binding : -1);
	sks_lookup_end(&lookup);
	return agrees;
}

#endif
