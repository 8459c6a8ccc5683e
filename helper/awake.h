/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns specs that slept and count again, because the label is an earlier instance's once more:
 * meanwhile their ports may have become others'.
 */
#ifndef SKSTEER_AWAKE_H
#define SKSTEER_AWAKE_H

#include "store.h"

/*
 * Judges, in the next state, those of services that have fallen back. What is left to others is
 * found anew; a spec of which something is another user's by now is forgotten as a whole.
 */
void sks_awake(struct sks_space *space);

#endif
