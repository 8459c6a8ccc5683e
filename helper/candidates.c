// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns which listeners a binding speaks of (see candidates.h). */
#include <string.h>

#include "candidates.h"
#include "resolve.h"

const uint8_t sks_families[2] = { [SKS_V4] = AF_INET, [SKS_V6] = AF_INET6 };

static uint16_t *bucket_of(struct sks_candidates *candidates, uint16_t service, uint8_t proto,
			   uint16_t port)
{
	uint32_t key = (uint32_t)service << 17 | (uint32_t)proto << 16 | port;

	return &candidates->first[(key * 0x9e3779b1u >> 18) & (candidates->n_buckets - 1)];
}

static void see_sockets(struct sks_candidates *candidates)
{
	const struct sks_maps *maps = &candidates->space->maps;
	const struct sks_slot *slots = maps->slots;

	for (uint32_t i = 0; i < candidates->space->n_services; i++)
		candidates->current[i] =
			sks_owner(&maps->services[i], candidates->epoch)->taken_over;
	for (uint32_t i = 1; i < candidates->space->n_slots; i++) {
		const struct sks_slot *slot = &slots[i];

		if (!slot->cookie || slot->flags & SKS_SLOT_STANDBY)
			continue;
		candidates->up[slot->dest] |= slot->families;
		if (slot->since == candidates->current[maps->dests[slot->dest].service])
			candidates->now[slot->dest] |= slot->families;
	}
}

void sks_candidates_init(struct sks_candidates *candidates, const struct sks_space *space,
			 uint32_t epoch, const struct sks_service *only)
{
	candidates->space = space;
	candidates->epoch = epoch;
	candidates->n_buckets = 1;
	while (candidates->n_buckets < space->n_dests)
		candidates->n_buckets *= 2;
	memset(candidates->first, 0, candidates->n_buckets * sizeof(*candidates->first));
	memset(candidates->up, 0, space->n_dests);
	memset(candidates->now, 0, space->n_dests);
	see_sockets(candidates);
	for (uint32_t i = space->n_dests; i-- > 1;) {
		const struct sks_dest *dest = &space->maps.dests[i];
		uint16_t *first;

		if (!sks_alive(dest->born, dest->died, epoch) ||
		    (only && only != &space->maps.services[dest->service]))
			continue;
		first = bucket_of(candidates, dest->service, dest->proto, dest->port);
		candidates->next[i] = *first;
		*first = (uint16_t)i;
	}
}

/* Which families of the destination's a clause that names this wildcard address means. */
static bool serves_as(uint32_t served, uint8_t wanted, unsigned int family)
{
	if (wanted == sks_families[family])
		return family == SKS_V6 || served & SKS_SERVES_AS_V4;
	/* [::]: IPv4 too, where the socket is dual-stack. */
	return family == SKS_V4 && served & SKS_SERVES_AS_V6;
}

/* Does the listener that the binding names, on that port, stand at this address? */
static bool is_at(const struct sks_binding *binding, const struct sks_dest *dest, uint32_t served,
		  unsigned int family)
{
	if (!binding->listener_port || binding->listener_family == AF_UNSPEC)
		return true;
	if (dest->wildcard)
		return !binding->listener_len &&
		       serves_as(served, binding->listener_family, family);
	return binding->listener_len == sks_family_bits(dest->family) &&
	       binding->listener_family == dest->family &&
	       !memcmp(binding->listener_addr, dest->addr, sizeof(dest->addr));
}

enum { DOWN, EARLIER, CURRENT };

/* Whose sockets does it have? A new destination is about to get its first. */
static unsigned int rank_of(const struct sks_candidates *candidates, uint32_t i,
			    unsigned int family)
{
	if (candidates->space->maps.dests[i].born == candidates->epoch ||
	    candidates->now[i] & 1u << family)
		return CURRENT;
	return candidates->up[i] & 1u << family ? EARLIER : DOWN;
}

/* Each listens at a place of its own; but one at every address has them all. */
static size_t drop_covered(struct sks_candidates *candidates, size_t n, unsigned int family)
{
	const struct sks_dest *dests = candidates->space->maps.dests;
	uint16_t *list = candidates->list;
	bool covered = false;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		covered |= dests[list[i]].wildcard && !dests[list[i]].ifindex &&
			   rank_of(candidates, list[i], family) == CURRENT;
	for (size_t i = 0; i < n; i++) {
		if (!covered || rank_of(candidates, list[i], family) != EARLIER)
			list[kept++] = list[i];
	}
	return kept;
}

size_t sks_candidates_find(struct sks_candidates *candidates, const struct sks_binding *binding,
			   unsigned int family)
{
	const struct sks_maps *maps = &candidates->space->maps;
	const struct sks_owner *owner =
		sks_owner(&maps->services[binding->service], candidates->epoch);
	uint16_t port = binding->listener_port ?: owner->first_port[binding->proto];
	uint32_t i = *bucket_of(candidates, binding->service, binding->proto, port);
	bool apart = binding->where == SKS_WHERE_LISTENER;
	unsigned int best = DOWN, rank;
	size_t n = 0;

	for (; i; i = candidates->next[i]) {
		const struct sks_dest *dest = &maps->dests[i];
		uint32_t served = sks_dest_families(dest, candidates->epoch);

		if (dest->service != binding->service || dest->proto != binding->proto ||
		    dest->port != port || !(served & 1u << family) ||
		    !is_at(binding, dest, served, family))
			continue;
		rank = rank_of(candidates, i, family);
		if (apart && rank == EARLIER)
			rank = CURRENT;
		if (rank < best)
			continue;
		if (rank > best)
			n = 0; /* those so far are not there */
		best = rank;
		candidates->list[n++] = (uint16_t)i;
	}
	return apart ? drop_covered(candidates, n, family) : n;
}
