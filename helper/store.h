/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the records of one network namespace (common/maps.h) and the rule by which they change:
 * the next state is written beside the current one, and one store of the epoch makes it current.
 */
#ifndef SKSTEER_STORE_H
#define SKSTEER_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/maps.h"
#include "../common/prefix.h"
#include "../common/spec.h"
#include "bpf.h"

struct sks_classes; /* helper/compile.h */

/* One network namespace that has, or had, something steered. */
struct sks_space {
	uint64_t ino;
	char dir[256]; /* of its pins */
	struct sks_maps maps;
	struct sks_classes
		*classes; /* of the published table; NULL: not compiled by this helper yet */
	uint32_t n_services, n_dests, n_slots, n_bindings; /* no used record at or beyond */
	uint32_t next_binding;				   /* no free one before */
	uint32_t next_dest, next_slot, next_rule[2];	   /* numbers are used in turn */
	/* Since the last sks_store_grace(): a program may still hold these numbers. */
	struct {
		uint8_t dests[SKS_MAX_DESTS], slots[SKS_MAX_SLOTS], rules[2 * SKS_MAX_RULES];
	} freed;
	uint8_t used_rules[2 * SKS_MAX_RULES]; /* by the current table or the next */
	int64_t stale_since; /* ms; when destinations that nothing leads to were first seen, or 0 */
};

static inline bool sks_alive(uint32_t born, uint32_t died, uint32_t epoch)
{
	return born && born <= epoch && (!died || died > epoch);
}

static inline uint32_t sks_epoch(const struct sks_maps *maps)
{
	return __atomic_load_n(&maps->ports->head.epoch, __ATOMIC_ACQUIRE);
}

/* The epoch that the change under way will have. */
static inline uint32_t sks_next_epoch(const struct sks_space *space)
{
	return sks_epoch(&space->maps) + 1;
}

/* Drops a change that an earlier helper did not finish, and learns which numbers are in use. */
void sks_store_recover(struct sks_space *space);

/* New records of the next state, all else zero. NULL: the namespace is full. */
struct sks_service *sks_store_add_service(struct sks_space *space);
struct sks_dest *sks_store_add_dest(struct sks_space *space);
struct sks_binding *sks_store_add_binding(struct sks_space *space);

/* The record is not in the next state. */
void sks_store_kill_service(struct sks_space *space, struct sks_service *service);
void sks_store_kill_dest(struct sks_space *space, struct sks_dest *dest);
void sks_store_kill_binding(struct sks_space *space, struct sks_binding *binding);

/* Is the record in the next state? */
#define sks_in_next(space, record) sks_alive((record)->born, (record)->died, sks_next_epoch(space))

/* What counts in that epoch; zeroes if none was ever written. */
const struct sks_owner *sks_owner(const struct sks_service *service, uint32_t epoch);
/* The copy that the next state will have, to be written to. */
struct sks_owner *sks_owner_next(struct sks_space *space, struct sks_service *service);

/* Makes the next state the current one, and frees what died. Cannot fail. */
void sks_store_commit(struct sks_space *space);
/* Forgets the next state. */
void sks_store_abort(struct sks_space *space);

/* SKS_SERVES_... of the destination's sockets, in that epoch. */
uint32_t sks_dest_families(const struct sks_dest *dest, uint32_t epoch);
/* What it serves in the next state; a family that it does not serve any more is passed. */
void sks_dest_set_families(struct sks_space *space, struct sks_dest *dest, uint32_t families);

/*
 * The next number from *cursor on, going round from first to end - 1, that is not used; end when
 * all are. One that was freed since the last grace is safe when this returns it.
 */
uint32_t sks_store_take_number(struct sks_space *space, uint32_t *cursor, uint32_t first,
			       uint32_t end, const uint8_t *freed,
			       bool (*used)(const struct sks_space *space, uint32_t number));

/*
 * Waits until no program runs that began before: it could still use a number that it read from the
 * table and that has been freed since.
 */
void sks_store_grace(struct sks_space *space);

#endif
