/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns who asks: what the kernel says of the other end of a connection, never the other end. */
#ifndef SKSTEER_PEER_H
#define SKSTEER_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Who asks: SO_PEERCRED's word. */
struct sks_peer {
	uint32_t uid; /* in the helper's user namespace */
	pid_t pid;    /* in the helper's pid namespace; 0: outside of it */
	bool root;
	bool binds_low; /* CAP_NET_BIND_SERVICE: bind(2) would not deny it ports below 1024 */
};

/* Of a connected socket (unix(7)). 0 or -errno. */
int sks_peer_read(int fd, struct sks_peer *ret_peer);

#endif
