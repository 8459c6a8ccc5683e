/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns one bind(2) or listen(2) of the command that waits for an answer: what preload/hooks.c does
 * around the real call within a server, from outside.
 */
#ifndef SKSTEER_RUN_CALL_H
#define SKSTEER_RUN_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "../config.h"
#include "../select.h"
#include "caller.h"

#define SKS_BOUNDS \
	4096 /* sockets whose bind(2) is remembered: a later one takes an older's place */

/* What bind(2) said of a socket. */
struct sks_bound {
	uint64_t cookie; /* 0: a free place */
	struct sks_choice choice;
	bool chosen;
};

/* Shared by all processes of the supervisor, so that any of them can go on where another ended. */
struct sks_calls {
	struct sks_bound bounds[SKS_BOUNDS];
	int64_t resting_until; /* after a helper that did not answer, in microseconds */
	int64_t slow_until;    /* so long nobody acts for slow_uid, whose calls could not be handled
				  in time */
	uid_t slow_uid;
	uint64_t unheard; /* the cookie of a socket that we have bound, and its caller has not heard
			     of it: a signal made it call again */
	/* What became of the last one. */
	int64_t answer;
	uint64_t bound; /* the cookie of the socket that we have bound for it, or 0 */
	struct sks_choice claim;
	uint8_t claims; /* SKS_TCP or SKS_UDP: that claim is the first listener there; 0: none */
};

struct sks_call {
	const struct sks_config *config;
	struct sks_calls *calls;
	const struct sks_caller *who;
	const struct sks_caller *self; /* whose rights we have, to be given up for the caller's;
					  NULL: they are the caller's */
	int listener;		       /* the notifications */
	uint64_t id;		       /* of this one */
	bool listens;		       /* listen(2), else bind(2) */
	bool again;		       /* whoever answered it before has ended in the middle */
	int fd;			       /* the caller's */
	uint64_t address, length;      /* of bind(2); length is the backlog of listen(2) */
};

/* The answers, beside 0 and -errno. */
#define SKS_CALL_CONTINUE 1 /* the kernel makes the call */

/* Leaves calls->answer and the claim. May take as long as a helper that does not answer, twice. */
void sks_call_handle(const struct sks_call *call);

#endif
