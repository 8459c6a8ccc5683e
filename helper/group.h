/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns groups: independent sockets that share a destination by weight. A socket keeps its places
 * while others come and go, as far as the weights allow: one that leaves gives its own away and
 * moves no other.
 */
#ifndef SKSTEER_GROUP_H
#define SKSTEER_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "store.h"

/*
 * From now on the destination's sockets of this family (SKS_V4, SKS_V6), present and future ones,
 * share by weight. 0, -ENOSPC, or why the map could not grow.
 */
int sks_group_start(struct sks_space *space, struct sks_dest *dest, uint32_t family);
/* After a change of its chain or of a weight: the places follow. Does nothing without a group. */
void sks_group_update(struct sks_space *space, const struct sks_dest *dest);
/* Learns which groups an earlier helper made: after sks_store_recover. */
void sks_groups_recover(struct sks_space *space);

#endif
