/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the records of one network namespace (common/maps.h) and the rule by which they change:
 * the next state is written beside the current one, and one store of the epoch makes it current.
 */
#ifndef SKSTEER_STORE_H
#define SKSTEER_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../common/maps.h"
#include "../common/prefix.h"
#include "../common/spec.h"
#include "bpf.h"
#include "ranges.h"

struct sks_classes;	 /* helper/classes.h */
struct sks_claim_change; /* helper/claim_set.h */

/* One network namespace that has, or had, something steered. */
struct sks_space {
	uint64_t ino;
	uint32_t payer; /* sks_payer_of_netns(), once somebody has asked from there */
	bool knows_payer;
	bool late;     /* a stranger's socket may come into the sockmap yet: none is taken before */
	char dir[256]; /* of its pins */
	struct sks_maps maps;
	struct sks_classes *classes;			   /* the port table's */
	uint32_t n_services, n_dests, n_slots, n_bindings; /* no used one at or beyond */
	/* By service: may it have bindings of these kinds? */
	uint8_t has_moved[SKS_MAX_SERVICES], has_dormant[SKS_MAX_SERVICES];
	uint32_t used_bindings; /* in the next state, without what is left out */
	uint32_t next_binding;	/* no free one before */
	uint32_t next_dest, next_slot, next_group, next_rule[2]; /* numbers are used in turn */
	/* Since the last sks_store_grace(): a program may still hold these numbers. */
	struct {
		uint8_t dests[SKS_MAX_DESTS], slots[SKS_MAX_SLOTS], groups[SKS_MAX_GROUPS],
			rules[2][SKS_MAX_RULES];
	} freed;
	uint8_t used_groups[SKS_MAX_GROUPS];
	uint64_t tokens[SKS_MAX_SLOTS];	 /* by slot, or 0 (helper/token.h) */
	uint8_t headless[SKS_MAX_DESTS]; /* whose heads may lag behind its chains (helper/slot.c) */
	/* Whose routes may be others than those that the table was made of. */
	uint8_t dirty[SKS_MAX_SERVICES];
	/* Numbers of the bindings that this change adds or kills; all: too many to list. */
	struct {
		uint32_t *list;
		size_t n, room;
		bool all;
	} touched;
	/* By protocol: where the table of the next state may differ from the current one. */
	struct sks_ranges written[2];
	/* The claims that the change under way may make or end (helper/claims.c). */
	struct {
		struct sks_claim_change *log;
		size_t n;
		bool any;   /* the namespace's own has been put */
		bool stale; /* not what the records say */
	} claims;
	pid_t door;	     /* a process that was in the namespace, or 0 */
	bool unsettled;	     /* what has closed is not in the current state yet: it failed */
	bool compiling;	     /* the table of the next state is neither published nor discarded */
	int64_t stale_since; /* ms; when destinations that nothing leads to were first seen, or 0 */
	struct {
		uint32_t epoch, idle;
	} looked; /* what sks_dests_prune() last looked at */
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

/*
 * New records of the next state, all else zero. 0, -ENOSPC: the namespace is full; or why its map
 * could not grow.
 */
int sks_store_add_service(struct sks_space *space, struct sks_service **ret_service);
int sks_store_add_dest(struct sks_space *space, struct sks_dest **ret_dest);
int sks_store_add_binding(struct sks_space *space, enum sks_source source,
			  struct sks_binding **ret_binding);

/* The record is not in the next state. */
void sks_store_kill_service(struct sks_space *space, struct sks_service *service);
void sks_store_kill_dest(struct sks_space *space, struct sks_dest *dest);
void sks_store_kill_binding(struct sks_space *space, struct sks_binding *binding);

/*
 * Which ports the change under way may touch, by protocol (SKS_TCP, SKS_UDP), merged: those of the
 * bindings that it adds or kills, and of all bindings of marked services. -ENOMEM.
 */
int sks_store_affected(const struct sks_space *space, struct sks_ranges ret_ranges[2]);

/* Is the record in the next state? */
#define sks_in_next(space, record) sks_alive((record)->born, (record)->died, sks_next_epoch(space))

/* What counts in that epoch; zeroes if none was ever written. */
const struct sks_owner *sks_owner(const struct sks_service *service, uint32_t epoch);
/* The copy that the next state will have, to be written to. */
struct sks_owner *sks_owner_next(struct sks_space *space, struct sks_service *service);

/* Did somebody ask for it, rather than that it follows from what others, or servers, have? */
static inline bool sks_binding_is_asked(const struct sks_binding *binding)
{
	return binding->source == SKS_FROM_SPEC || binding->source == SKS_FROM_CTL;
}

/* Does the binding count in that epoch? One of an earlier or a coming instance's spec does not. */
bool sks_binding_counts(const struct sks_space *space, const struct sks_binding *binding,
			uint32_t epoch);

/* Makes the next state the current one, and frees what died. Cannot fail. */
void sks_store_commit(struct sks_space *space);
/* Forgets the next state. */
void sks_store_abort(struct sks_space *space);

/* That the destination's sockets are bound to, or 0; SKS_DEST_GUARD has no record. */
static inline uint32_t sks_dest_ifindex(const struct sks_space *space, uint16_t dest)
{
	return dest == SKS_DEST_GUARD ? 0 : space->maps.dests[dest].ifindex;
}

/* SKS_SERVES_... of the destination's sockets, in that epoch. */
uint32_t sks_dest_families(const struct sks_dest *dest, uint32_t epoch);
/* What it serves in the next state; a family that it does not serve any more is passed. */
void sks_dest_set_families(struct sks_space *space, struct sks_dest *dest, uint32_t families);

/*
 * Changes while counters pass from destinations that are gone to their service, and is odd
 * meanwhile: whoever adds them up then may find some twice.
 */
static inline uint32_t sks_counting(const struct sks_maps *maps)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&maps->ports->head.counting, __ATOMIC_SEQ_CST);
}

/* Its routes are to be resolved anew: sockets, destinations or clauses of it have changed. */
static inline void sks_store_mark(struct sks_space *space, uint16_t service)
{
	space->dirty[service] = 1;
}

/* Numbers of which a program may still hold one that was freed: so they are used in turn. */
struct sks_numbers {
	enum sks_map map; /* whose entries the numbers are */
	uint32_t first, max;
	uint32_t stride; /* entries a number */
	uint32_t *cursor;
	const uint8_t *freed;
	bool (*used)(const struct sks_space *space, uint32_t number);
};

/*
 * A number that is not used, and that no program holds any more; the map grows where it has to. 0,
 * -ENOSPC: all max are used; or why the map could not grow.
 */
int sks_store_take_number(struct sks_space *space, const struct sks_numbers *numbers,
			  uint32_t *ret_number);

/*
 * Waits until no program runs that began before: it could still use a number that it read from the
 * table and that has been freed since.
 */
void sks_store_grace(struct sks_space *space);

#endif
