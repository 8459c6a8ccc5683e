/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns what the helper asks about other processes, and takes from them: questions to the holder, a
 * worker that may look into every process (CAP_SYS_PTRACE) and list its descriptors
 * (CAP_DAC_READ_SEARCH), and has no other way to the world. Each is answered as a whole there.
 */
#ifndef SKSTEER_PROCESS_H
#define SKSTEER_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "inside.h"
#include "worker.h"

extern struct sks_worker sks_process_worker;

/* Of a process that connected as that user. */
struct sks_process {
	pid_t pid;
	uint32_t uid;
	int pidfd; /* SO_PEERPIDFD, or -1; borrowed */
};

/*
 * Effective capabilities (1 << CAP_...) by number of the process alone: needs no right, and does
 * not say in which user namespace it has them. 0 of one that is gone.
 */
uint32_t sks_process_claims(pid_t pid);
/* It is in the helper's user namespace, and has gained no right by a program since it connected. */
bool sks_process_is_ours(const struct sks_process *process);

/* As sks_netns_of_process(), by whoever is in it: *ret_pid, for the next time. */
int sks_netns_of_any(uint64_t ino, pid_t *ret_pid);

/*
 * A copy of a socket, which the caller owns, from a process into which that one may look by its
 * user, its user namespace, and the other's being dumpable. -ESRCH: there is none; -ETIMEDOUT;
 * -EBUSY: too often something else was there instead.
 */
int sks_process_take(uint32_t inode, uint64_t cookie, const struct sks_process *for_whom);

/* As sks_is_held_elsewhere(). */
int sks_process_held_elsewhere(uint32_t inode, pid_t pid);

#define SKS_PROCESS_INODES 64
/* Which of n <= SKS_PROCESS_INODES sockets a process holds, the first of them; -ESRCH: none. */
int sks_process_holds(pid_t pid, const uint32_t *inodes, size_t n);

#endif
