// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns which groups somebody is in: by a connection, or by the system's user database. */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "groups.h"

static int by_number(const void *pa, const void *pb)
{
	const gid_t *a = pa, *b = pb;

	return (*a > *b) - (*a < *b);
}

/* To be searched: anybody with subordinate gids can come with 65 536 of them. */
static void sort(gid_t *groups, size_t n)
{
	size_t i = 1;

	/* The kernel keeps them so, but for what a user namespace makes of their numbers. */
	while (i < n && groups[i - 1] <= groups[i])
		i++;
	if (i < n)
		qsort(groups, n, sizeof(*groups), by_number);
}

void sks_groups_of_conn(int conn, struct sks_peer *peer)
{
	static gid_t groups[NGROUPS_MAX];
	socklen_t len = sizeof(groups);

	peer->groups = groups;
	peer->n_groups = 0;
	if (getsockopt(conn, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		return;
	peer->n_groups = len / sizeof(*groups);
	sort(groups, peer->n_groups);
}

int sks_groups_of_user(struct sks_peer *peer)
{
	static gid_t groups[NGROUPS_MAX];
	const struct passwd *user = getpwuid(peer->uid);
	int n = NGROUPS_MAX;

	peer->gid = user ? user->pw_gid : (gid_t)-1;
	peer->groups = groups;
	peer->n_groups = 0;
	if (!user)
		return -ENOENT;
	/* -1: more than any process can be in. */
	if (getgrouplist(user->pw_name, user->pw_gid, groups, &n) >= 0)
		peer->n_groups = (size_t)n;
	sort(groups, peer->n_groups);
	return 0;
}

bool sks_peer_has_group(const struct sks_peer *peer, gid_t gid)
{
	return gid == peer->gid || (peer->n_groups && bsearch(&gid, peer->groups, peer->n_groups,
							      sizeof(gid), by_number));
}

/* Not the group 0: many are in it, in containers, who are nobody else's equals. */
bool sks_peer_sees_all(const struct sks_peer *peer)
{
	gid_t own = getegid();

	return peer->root || (own && sks_peer_has_group(peer, own));
}
