/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the question which processes hold a socket, answered by /proc: with the rights of whoever
 * asks, and in its pid namespace. What it may not read, it does not see. A socket is named by its
 * inode number, which is sks_slot.inode, sock_diag's, and what /proc/PID/fd/N says.
 */
#ifndef SKSTEER_HOLDER_H
#define SKSTEER_HOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sks_holder {
	pid_t pid;
	int fd;
	uint32_t inode;
};

/* All lists are malloc'd, and free()'d by whoever asked; empty ones may be NULL. */
struct sks_holders {
	struct sks_holder *list;
	size_t n;
};

struct sks_pids {
	pid_t *list;
	size_t n;
};

struct sks_inodes {
	uint32_t *list;
	size_t n;
};

/*
 * How long each walk may take: those below then return -ETIMEDOUT, as users can make it long. 0, as
 * at first: as long as it takes.
 */
void sks_holder_limit(unsigned int ms);
/* 0, or -ETIMEDOUT: what is done with what the last walk has found counts, too. */
int sks_holder_in_time(void);

/* Calls fn for each process until it returns anything but 0: that, 0, or -errno. */
typedef int sks_pid_fn(pid_t pid, void *data);
int sks_each_process(sks_pid_fn *fn, void *data);

/* Every descriptor of every process that is one of these n sockets. 0 or -errno. */
int sks_holders_find(const uint32_t *inodes, size_t n, struct sks_holders *ret_holders);

/* The parent of a process, 0 when there is none or it can't be seen. */
pid_t sks_parent(pid_t pid);

bool sks_holds(const struct sks_holders *holders, pid_t pid);
/*
 * The topmost process above pid that holds one of the sockets: its parents are climbed while they
 * hold one too. Process 1 is not climbed to: an init that hands sockets to its services is no
 * service.
 */
pid_t sks_holders_top(const struct sks_holders *holders, pid_t pid);

/*
 * 1: some process holds that socket which is not of the tree of holders to which pid belongs.
 * 0: none does; or -errno.
 */
int sks_is_held_elsewhere(uint32_t inode, pid_t pid);

/* Those processes and all that descend from them, in ascending order. 0 or -errno. */
int sks_descendants(const pid_t *pids, size_t n, struct sks_pids *ret_pids);
bool sks_pids_have(const struct sks_pids *pids, pid_t pid);

/* The sockets that these processes hold, in ascending order; some may come twice. 0 or -errno. */
int sks_sockets_of(const struct sks_pids *pids, struct sks_inodes *ret_inodes);
bool sks_inodes_have(const struct sks_inodes *inodes, uint32_t inode);

#endif
