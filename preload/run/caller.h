/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns what the supervisor knows of the thread whose system call waits: its rights, its descriptors
 * and its memory; and how a process of ours gets no more rights than that thread has.
 */
#ifndef SKSTEER_RUN_CALLER_H
#define SKSTEER_RUN_CALLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SKS_CALLER_GROUPS 256

struct sks_caller {
	pid_t tid;
	pid_t pid; /* its process */
	uid_t uid; /* effective, as all of these */
	gid_t gid;
	uint64_t caps;
	uint64_t user_ns, net_ns; /* inode numbers */
	uint32_t n_groups;
	gid_t groups[SKS_CALLER_GROUPS];
	char comm[16];
};

/* tid 0 is ourselves. What is read is the thread's for as long as its system call waits. 0 or
 * -errno. */
int sks_caller_read(pid_t tid, struct sks_caller *ret_caller);

/* Would a process with the rights of a, in its namespaces, do what b may? */
bool sks_caller_equal(const struct sks_caller *a, const struct sks_caller *b);

/*
 * Takes on the rights of who, and its network namespace: for good. 0; -EXDEV: it is of another user
 * namespace; else -errno.
 */
int sks_caller_become(const struct sks_caller *who, const struct sks_caller *self);

/* A CLOEXEC copy of a descriptor, or -errno. */
int sks_caller_fd(const struct sks_caller *who, int fd);
/*
 * The same file, opened anew to write to it, or -errno: Yama forbids the former, not this. With our
 * rights, so only where they are the caller's.
 */
int sks_caller_reopen(const struct sks_caller *who, int fd);
bool sks_caller_closes_on_exec(const struct sks_caller *who, int fd);

/* All size bytes, or -errno. */
int sks_caller_peek(const struct sks_caller *who, uint64_t address, void *buf, size_t size);

#endif
