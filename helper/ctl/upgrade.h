/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the steps of `sksteerctl upgrade`: a new instance stands by, is found ready, takes over; the
 * old one's connections drain, and it ends.
 */
#ifndef SKSTEER_CTL_UPGRADE_H
#define SKSTEER_CTL_UPGRADE_H

#include <stdbool.h>
#include <stdint.h>

#include "../holder.h"
#include "child.h"
#include "ctl.h"
#include "look.h"

struct sks_upgrade {
	const struct sks_ctl *ctl;
	const char *label;
	const char *command; /* its first word, for messages */
	int netns;	     /* our own, which all is about */
	struct sks_child child;
	struct sks_seen old;	   /* what serves until the move */
	struct sks_seen fresh;	   /* what is to serve from then on: of one instance */
	struct sks_port_set ports; /* at which clients come to the old one */
	int64_t deadline;	   /* of what comes before the move, of sks_now_us() */
};

/* Prints a step as it happens. */
__attribute__((format(printf, 1, 2))) void sks_step(const char *format, ...);
/* Says a failure, after "upgrade: ". Returns SKS_CTL_FAILED. */
__attribute__((format(printf, 1, 2))) int sks_upgrade_fail(const char *format, ...);

/*
 * Each returns 0 to go on, or the exit status after having said why not. Before the move what was
 * started is left for the caller to stop.
 */

/* Starts CMD in standby. */
int sks_upgrade_start(struct sks_upgrade *upgrade);
/* Until it has registered: fresh is filled. */
int sks_upgrade_await(struct sks_upgrade *upgrade);
/* Asks the helper: fresh, old and ports are as now, where the new instance has sockets. */
int sks_upgrade_look(struct sks_upgrade *upgrade);
/* 0 as long as nobody asked us to end and what was started has not ended or failed. */
int sks_upgrade_watch(struct sks_upgrade *upgrade);
/* Until the --ready command succeeds. */
int sks_upgrade_ready(struct sks_upgrade *upgrade);
/* After the move: until nothing waits at the old listeners, then at most --drain seconds until the
 * old instance has no connections. */
int sks_upgrade_drain(struct sks_upgrade *upgrade);
/*
 * 0 as long as the new instance listens after the move, and nobody asked us to end. *ret_waiting,
 * where it is not NULL: how many connections (bytes, of datagrams) the old listeners have queued.
 */
int sks_upgrade_serves(struct sks_upgrade *upgrade, uint64_t *ret_waiting);
/* Some socket of the old instance is open. */
bool sks_upgrade_old_is_open(struct sks_upgrade *upgrade);
/* Signals the old instance's topmost processes, and waits for their end. */
int sks_upgrade_leave(struct sks_upgrade *upgrade);

/*
 * Who holds one of these sockets, of the processes that descend from us or of all others. Neither
 * we nor process 1 is one: an init that has handed the socket to its service is no part of that.
 * The caller frees the list. 0 or -errno.
 */
int sks_upgrade_holders(const struct sks_seen *seen, bool ours, struct sks_holders *ret_holders);
/* The topmost of them, 0: none is seen. */
pid_t sks_upgrade_holder(const struct sks_seen *seen, bool ours);
/* Those of the old instance, and all that descend from them. 0 or -errno. */
int sks_upgrade_old_processes(const struct sks_upgrade *upgrade, struct sks_pids *ret_pids);

#endif
