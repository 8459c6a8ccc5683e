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
 * nothing is steered to it yet. sock is borrowed. -ENOSPC, or what the kernel says of such a socket.
 */
int sks_slot_take(struct sks_space *space, const struct sks_dest *dest, int sock,
		  const struct sks_slot *init, uint32_t *ret_slot);
/* Puts it at the head of its destination's chains of these families (SKS_SERVES_BOTH) that it
 * serves. */
void sks_slot_link(struct sks_space *space, uint32_t slot, uint32_t families);
void sks_slot_drop(struct sks_space *space, uint32_t slot);

/* Is the socket of that slot still open? */
bool sks_slot_lives(const struct sks_maps *maps, uint32_t slot);
/* The slot of the socket with that cookie, or 0. */
uint32_t sks_slot_find(const struct sks_space *space, uint64_t cookie);
/* Drops the sockets that have been closed. Returns how many that were. */
unsigned int sks_slots_sweep(struct sks_space *space);
/* Puts right what a helper that died in between left: after sks_store_recover. */
void sks_slots_recover(struct sks_space *space);

#endif
