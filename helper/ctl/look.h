/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how a verb sees a label's service: the sockets and ports of the helper's report. */
#ifndef SKSTEER_CTL_LOOK_H
#define SKSTEER_CTL_LOOK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../diag.h"
#include "ctl.h"

enum sks_seen_state { SKS_SEEN_SERVING, SKS_SEEN_STANDBY, SKS_SEEN_REPLACED };

struct sks_seen_socket {
	enum sks_seen_state state;
	uint8_t proto;	/* IPPROTO_TCP or IPPROTO_UDP */
	bool v4, v6;	/* the families that it serves */
	uint16_t port;	/* that its server asked for, host order as all ports here */
	uint16_t bound; /* that it is bound to */
	uint32_t ifindex, inode;
	uint64_t cookie;
	pid_t pid; /* that registered it, in the helper's pid namespace */
	char address[INET6_ADDRSTRLEN];
	char instance[2 * SKS_INSTANCE_SIZE + 1];
};

struct sks_seen {
	struct sks_seen_socket *sockets; /* malloc'd; sks_seen_free() */
	size_t n;
};

/* Ports of one protocol, a bit each. */
struct sks_port_set {
	uint8_t bits[8192];
};

void sks_port_set_add(struct sks_port_set *set, uint16_t first, uint16_t last);
bool sks_port_set_has(const struct sks_port_set *set, uint16_t port);
/* The set as ranges; SKS_DIAG_RANGES + 1: it is more than so many. */
size_t sks_port_set_ranges(const struct sks_port_set *set,
			   struct sks_port_range ret_ranges[SKS_DIAG_RANGES]);

/*
 * The label's service. ret_ports, where it is not NULL, gets every TCP port at which clients may
 * come to it, too. 0, -ESRCH: there is no such service; -errno: nobody answered; 1: it was said
 * what is wrong.
 */
int sks_look(const struct sks_ctl *ctl, const char *label, struct sks_seen *ret_seen,
	     struct sks_port_set *ret_ports);
void sks_seen_free(struct sks_seen *seen);

/* How many are in that state. */
size_t sks_seen_count(const struct sks_seen *seen, enum sks_seen_state state);
/* Those of which pick says so. 0 or -ENOMEM. */
int sks_seen_pick(const struct sks_seen *seen,
		  bool (*pick)(const struct sks_seen_socket *socket, const void *data),
		  const void *data, struct sks_seen *ret_picked);
bool sks_seen_has_cookie(const struct sks_seen *seen, uint64_t cookie);
/* Their inode numbers, n of them, malloc'd; NULL: out of memory. */
uint32_t *sks_seen_inodes(const struct sks_seen *seen);

#endif
