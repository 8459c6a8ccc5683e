/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns who may steer what: the built-in rule for everybody but root. */
#ifndef SKSTEER_POLICY_H
#define SKSTEER_POLICY_H

#include "change.h"

#define SKS_QUOTA_PORTS	  256u
#define SKS_QUOTA_SOCKETS 64u
#define SKS_QUOTA_LABELS  16u

/* Ports and addresses at which sockets of the user listen, or have listened, alive or not. */
#define SKS_QUOTA_LISTENERS 128u

/*
 * Judges what is asked for, before anything is touched. 0, -EACCES (what only root may have), or
 * -EDQUOT (more in one request than the user may have at all).
 */
int sks_policy_targets(const struct sks_peer *peer, int netns, const struct sks_target *targets,
		       size_t n, struct sks_verdict *verdict);

/* Judges what the user would have in the next state, over all namespaces. 0 or -EDQUOT. */
int sks_policy_quota(const struct sks_change *change);

#endif
