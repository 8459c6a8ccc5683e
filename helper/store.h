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
	uint32_t next_dest, next_slot; /* numbers are used in turn: see sks_store_grace */
	uint32_t next_rule[2];
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

/*
 * Sockets are not part of the epochs: they come and go by themselves. Takes the socket into the
 * sockmap and at the head of its destination's chains: steered from then on.
 * *ret_slot its number. -ENOSPC, or what the kernel says of such a socket.
 */
int sks_store_add_socket(struct sks_space *space, struct sks_dest *dest, int sock,
			 const struct sks_slot *init, uint32_t *ret_slot);
void sks_store_drop_socket(struct sks_space *space, uint32_t slot);
/* Is the socket of that slot still open? */
bool sks_store_socket_lives(const struct sks_maps *maps, uint32_t slot);
/* Drops the sockets that have been closed. Returns how many that were. */
unsigned int sks_store_sweep(struct sks_space *space);

/*
 * Waits until no program runs that began before: it could still use a number that it read from the
 * table and that has been freed since. Called once whenever the numbers have gone round.
 */
void sks_store_grace(void);

#endif
