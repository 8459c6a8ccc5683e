/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the helper's one loop: connections, their deadlines, the sweep, and when it is time to go. */
#ifndef SKSTEER_SERVER_H
#define SKSTEER_SERVER_H

#include "space.h"

struct sks_server {
	struct sks_spaces *spaces;
	int listener;	  /* SOCK_SEQPACKET, listening, non-blocking; borrowed */
	int named;	  /* the same, by its abstract name; or -1 */
	int idle_exit_ms; /* < 0: stay for ever */
	const int *ends;  /* of workers: an event there means that one has gone; borrowed */
	size_t n_ends;
};

/*
 * Serves until SIGTERM or SIGINT, or until nothing was left to serve for idle_exit_ms: no
 * connection, no socket, no named label, no process that asked to be attended. Returns 0, or 1 when
 * it went for idleness, or -errno: -ECHILD when a worker has gone. On SIGHUP it reads the policy
 * file anew. All three signals must be blocked.
 */
int sks_server_run(const struct sks_server *server);

#endif
