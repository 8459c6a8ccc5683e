/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns which user answers for a network namespace. A user may make as many as it likes in a user
 * namespace of its own, and be 65 536 users there: what is limited by user there has to be limited
 * by the one who made that.
 */
#ifndef SKSTEER_PAYER_H
#define SKSTEER_PAYER_H

#include <stdint.h>

#define SKS_PAYER_NONE UINT32_MAX /* no user can have this uid */

/*
 * Who made the user namespace, just below the helper's own, that the network namespace belongs to
 * (root: the number of that user namespace, so that each container pays for itself);
 * SKS_PAYER_NONE: it belongs to the helper's own, or cannot be told. netns is borrowed.
 */
uint32_t sks_payer_of_netns(int netns);

/* The same of a connection's namespace, and instead of SKS_PAYER_NONE whose uid is (subids.h). conn
 * is borrowed. */
uint32_t sks_payer_of_conn(int conn, uint32_t uid);

struct sks_space;
struct sks_spaces;

/* space->payer of the namespace netns, which is borrowed. */
void sks_payer_learn(struct sks_space *space, int netns);

/* May that payer have another one? 0; -EDQUOT: it has too many; -ENOSPC: all have. */
int sks_payer_check(const struct sks_spaces *spaces, uint32_t payer);

#endif
