/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns who may steer and open what: the built-in rule, and what the policy file adds to it. */
#ifndef SKSTEER_POLICY_H
#define SKSTEER_POLICY_H

#include "change.h"
#include "policy_file.h"

#define SKS_QUOTA_PORTS	  256u
#define SKS_QUOTA_SOCKETS 64u
#define SKS_QUOTA_LABELS  16u

/* Ports and addresses at which sockets of the user listen, or have listened, alive or not. */
#define SKS_QUOTA_LISTENERS 128u

/* From now on this file holds, which stays the caller's. Before: an empty one. */
void sks_policy_use(const struct sks_policy_file *file);

/*
 * Judges what is asked for, before anything is touched. 0, -EACCES (what only root may have), or
 * -EDQUOT (more in one request than the user may have at all).
 */
int sks_policy_targets(const struct sks_peer *peer, int netns, const struct sks_target *targets,
		       size_t n, struct sks_verdict *verdict);

/*
 * May a socket that bind(2) was denied be bound to target: one port, and as its prefix the address
 * (length 0: the wildcard one)? 0 or -EACCES.
 */
int sks_policy_open(const struct sks_peer *peer, int netns, const struct sks_target *target,
		    struct sks_verdict *verdict);

/* Judges what the user would have in the next state, over all namespaces. 0 or -EDQUOT. */
int sks_policy_quota(const struct sks_change *change);

#endif
