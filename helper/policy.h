/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns who may steer what: the built-in rule for everybody but root. */
#ifndef SKSTEER_POLICY_H
#define SKSTEER_POLICY_H

#include "change.h"

#define SKS_QUOTA_PORTS	  256u
#define SKS_QUOTA_SOCKETS 64u
#define SKS_QUOTA_LABELS  16u

/*
 * Judges the bindings and the socket that the change brings. 0, -EACCES (what only root may have),
 * or -EDQUOT (over a quota, which counts over all namespaces).
 */
int sks_policy_check(struct sks_change *change);

#endif
