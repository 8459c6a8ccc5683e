/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the conversation with the helper's workers: small processes beside it, each with the
 * capabilities for one kind of question and without any means to do more. A question and its answer
 * are records of a fixed size, with at most one descriptor each. Whoever has no worker (sksteerctl,
 * the unit tests) does that work itself, with the caller's rights.
 */
#ifndef SKSTEER_WORKER_H
#define SKSTEER_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* fd is borrowed, -1 when none came. *ret_fd goes with the answer, and is closed then. */
typedef void sks_work_fn(const void *question, int fd, void *ret_answer, int *ret_fd);

struct sks_worker {
	const char *name; /* as ps(1) shows it: at most 15 characters */
	size_t question, answer;
	sks_work_fn *work;
	unsigned int seconds; /* after which it hangs; 0: 5 are ample */
	int sock;	      /* to the worker; -1: there is none */
	pid_t pid;
};

/*
 * Puts the question. fd (-1: none) is borrowed; *ret_fd is a CLOEXEC descriptor the caller owns, or
 * -1. -EPIPE: the worker is gone, or has not answered in time. It was said, and the helper is to
 * end: a new one starts with new workers.
 */
int sks_worker_ask(struct sks_worker *worker, const void *question, int fd, void *ret_answer,
		   int *ret_fd);

/*
 * Forks it. In the new process confine() gives up what the work does not need; an error of that is
 * this function's. Descriptors but stdin, stdout and stderr are closed there: call it before there
 * is anything that the worker need not have in its memory.
 */
int sks_worker_start(struct sks_worker *worker, int (*confine)(void));

/* Says, once, that it has gone and why. */
void sks_worker_mourn(struct sks_worker *worker);

#endif
