/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the questions about other processes as records, and their answering (see process.h). */
#ifndef SKSTEER_PROCESS_WORK_H
#define SKSTEER_PROCESS_WORK_H

#include <stdint.h>

#include "process.h"

enum sks_process_op {
	SKS_PROCESS_IS_OURS,	    /* pid, uid: 1 or 0 */
	SKS_PROCESS_NETNS,	    /* pid, ino: a descriptor */
	SKS_PROCESS_ANY_NETNS,	    /* ino: a descriptor, and the pid */
	SKS_PROCESS_TAKE,	    /* inodes[0], cookie, pid, uid: a descriptor */
	SKS_PROCESS_HELD_ELSEWHERE, /* inodes[0], pid: 1 or 0 */
	SKS_PROCESS_HOLDS,	    /* pid, inodes, n: which */
};

struct sks_process_question {
	uint32_t op;
	int32_t pid;
	uint32_t uid;
	uint32_t n;	 /* of inodes, at most SKS_PROCESS_INODES */
	uint64_t ino;	 /* of a namespace */
	uint64_t cookie; /* of a socket */
	uint32_t inodes[SKS_PROCESS_INODES];
};
_Static_assert(sizeof(struct sks_process_question) == 288, "no padding");

struct sks_process_answer {
	int32_t value; /* or -errno */
};

sks_work_fn sks_process_work;

/* 0 with a descriptor, or -ESRCH. By itself a process may ask that without a worker. */
int sks_process_netns(pid_t pid, uint64_t ino, int *ret_netns);

#endif
