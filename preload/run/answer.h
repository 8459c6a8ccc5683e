/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the supervisor's two processes: who answers the next notification, and who stands by. */
#ifndef SKSTEER_RUN_ANSWER_H
#define SKSTEER_RUN_ANSWER_H

#include <linux/seccomp.h>
#include <stdint.h>

#include "call.h"
#include "caller.h"

/*
 * The kernel writes each notification straight into memory that both processes have: so whichever
 * instant the one that received it ends at, the other knows which call waits for an answer.
 */
struct sks_shared {
	union {
		struct seccomp_notif notif; /* its id is 0: none waits */
		char room[1024];	    /* for kernels in which it is longer */
	} received;
	uint32_t deaths; /* of processes that were about to answer it */
	struct sks_calls calls;
};

/*
 * Two names of one length: whoever kills all processes of one of them has killed one of the two.
 * The one that takes over takes on the other name.
 */
#define SKS_NAME_ACTIVE "sksteer-watch"
#define SKS_NAME_SPARE	"sksteer-spare"

struct sks_answer {
	const struct sks_config *config;
	struct sks_shared *shared;
	struct sks_caller self;
	int listener; /* the notifications */
	int spare;    /* a pidfd of the process that stands by, or -1 */
	char *title;  /* what the process is called for others: the name is its beginning */
	int conn;     /* to the command before it is that; not for who stands by. Or -1 */
};

/* name: one of the two. */
void sks_answer_name(const struct sks_answer *answer, const char *name);

/* Starts the process that stands by, if there is none. Without one we go on. */
void sks_answer_keep_spare(struct sks_answer *answer);

/* Answers notifications, until there is nobody left to be notified of. */
void sks_answer_serve(struct sks_answer *answer);

#endif
