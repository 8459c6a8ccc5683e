/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the way into a namespace when nobody asks who is in it. */
#ifndef SKSTEER_ENTER_H
#define SKSTEER_ENTER_H

#include "store.h"

/* A descriptor of the namespace, which the caller owns, by some process there. -ESRCH: none is. */
int sks_enter(struct sks_space *space);
/* The same, without a walk through all processes: by one that has been seen there. */
int sks_enter_known(struct sks_space *space);

#endif
