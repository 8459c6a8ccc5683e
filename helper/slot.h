/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns registered sockets: the slots, the sockmap, and the chains that the dispatcher follows.
 * Sockets are not part of the epochs: they come and go by themselves.
 */
#ifndef SKSTEER_SLOT_H
#define SKSTEER_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "store.h"

/*
 * Takes the socket into the sockmap and a slot (*ret_slot), as init says of it, but into no chain:
 * nothing is steered to it yet. sock is borrowed. -ENOSPC; why the map could not grow, of which
 * sks_bpf_why() says more; or what the kernel says of such a socket, of which it says nothing.
 */
int sks_slot_take(struct sks_space *space, const struct sks_dest *dest, int sock,
		  const struct sks_slot *init, uint32_t *ret_slot);
/*
 * Puts it into its destination's chains of these families (SKS_SERVES_BOTH) that it serves: before
 * those of earlier instances, and of its own, but behind those of later ones.
 * sock is borrowed; without it (-1) the packets find it in the chain until sks_slots_settle().
 */
void sks_slot_link(struct sks_space *space, uint32_t slot, uint32_t families, int sock);
/* Takes it out of all. The next one of its chains is found there until sks_slots_settle(). */
void sks_slot_drop(struct sks_space *space, uint32_t slot);
/* Puts the chains' first sockets back to where the program finds them at once. */
void sks_slots_settle(struct sks_space *space);

/* Does its instance wait, in that epoch, until it is to take over? */
bool sks_slot_stands_by(const struct sks_space *space, uint32_t slot, uint32_t epoch);

/* Its instance has taken over, in the current epoch: it does not wait any more. */
void sks_slot_promote(struct sks_space *space, uint32_t slot);

/* Is the socket of that slot still open? */
bool sks_slot_lives(const struct sks_maps *maps, uint32_t slot);
/* The slot of the socket with that cookie, or 0. */
uint32_t sks_slot_find(const struct sks_space *space, uint64_t cookie);
/* Drops the sockets that have been closed. Returns how many that were. */
unsigned int sks_slots_drop_closed(struct sks_space *space);
/* The same, and sks_slots_settle(), which takes milliseconds where there is something to settle. */
unsigned int sks_slots_sweep(struct sks_space *space);
/* Puts right what a helper that died in between left: after sks_store_recover. */
void sks_slots_recover(struct sks_space *space);

#endif
