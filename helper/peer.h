/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns who asks: what the kernel says of the other end of a connection, never the other end. */
#ifndef SKSTEER_PEER_H
#define SKSTEER_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Who asks: SO_PEERCRED's word. */
struct sks_peer {
	uint32_t uid; /* in the helper's user namespace */
	gid_t gid;    /* the same; groups beside it: see groups.h */
	pid_t pid;    /* in the helper's pid namespace; 0: outside of it */
	bool root;
	bool binds_low; /* CAP_NET_BIND_SERVICE: bind(2) would not deny it ports below 1024 */
	bool granted;	/* nobody asks: what was granted before is to count again */
	size_t n_groups;
	const gid_t *groups; /* sorted; borrowed */
};

/* Of a connected socket (unix(7)). 0 or -errno. */
int sks_peer_read(int fd, struct sks_peer *ret_peer);

/*
 * A pidfd of the other end, which the caller owns; -1 where the kernel has none to give (before
 * 6.5), or where *ret_gone says that it has ended.
 */
int sks_peer_pidfd(int fd, bool *ret_gone);

#endif
