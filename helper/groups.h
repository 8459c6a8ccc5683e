/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns which groups somebody is in: by a connection, or by the system's user database. */
#ifndef SKSTEER_GROUPS_H
#define SKSTEER_GROUPS_H

#include "peer.h"

/*
 * Sets the groups of who connected, as they were then: what it has become since (a setgid program,
 * somebody in fewer groups) changes nothing. They are the callee's, until its next call.
 */
void sks_groups_of_conn(int conn, struct sks_peer *peer);

/*
 * Sets gid and groups by the user database, which may ask servers elsewhere. They are the callee's,
 * until its next call. -ENOENT: it does not know the uid, which is in no group then.
 */
int sks_groups_of_user(struct sks_peer *peer);

/*
 * May it read what is everybody's? Root, and the helper's own group, whose are the pins, too. Its
 * groups have been set.
 */
bool sks_peer_sees_all(const struct sks_peer *peer);

bool sks_peer_has_group(const struct sks_peer *peer, gid_t gid);

#endif
