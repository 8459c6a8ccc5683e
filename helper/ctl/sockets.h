/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns where `sksteerctl register` has its sockets from: a running process, from which it copies
 * them with no more rights than its caller's, or whoever started it (LISTEN_FDS, sd_listen_fds(3)).
 */
#ifndef SKSTEER_CTL_SOCKETS_H
#define SKSTEER_CTL_SOCKETS_H

#include <stddef.h>
#include <stdint.h>

#include "ctl.h"

struct sks_found {
	int fd; /* ours */
	uint64_t cookie;
	uint16_t port;
	uint8_t proto; /* IPPROTO_TCP or IPPROTO_UDP */
};

struct sks_sockets {
	struct sks_found *list; /* malloc'd; sks_sockets_free() */
	size_t n;
	uint8_t instance[SKS_INSTANCE_SIZE]; /* the same for one process as long as it lives */
};

/*
 * Those that the command line means: listening TCP and bound UDP sockets, each once, at one port of
 * each protocol. 0, or -errno after having said what is wrong.
 */
int sks_sockets_find(const struct sks_ctl *ctl, struct sks_sockets *ret_sockets);
void sks_sockets_free(struct sks_sockets *sockets);

/* Takes fd over, unless it is no such socket, is there already, or ctl does not mean its port. */
int sks_sockets_add(const struct sks_ctl *ctl, struct sks_sockets *sockets, int fd);

/* The two sources; as sks_sockets_find(), but the sockets may be none, or at several ports. */
int sks_sockets_of_process(const struct sks_ctl *ctl, struct sks_sockets *sockets);
int sks_sockets_passed(const struct sks_ctl *ctl, struct sks_sockets *sockets);

#endif
