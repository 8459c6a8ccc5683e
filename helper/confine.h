/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns what a process of the helper gives up before it serves: capabilities, new ones by execve(2),
 * being looked into, resources, and the system calls that its work does not need. Who calls one of
 * these is killed.
 */
#ifndef SKSTEER_CONFINE_H
#define SKSTEER_CONFINE_H

#include <linux/capability.h>
#include <stddef.h>
#include <sys/resource.h>

/* A capability that is kept, and what is not possible without; NULL: another process says so. */
struct sks_kept {
	unsigned int cap;
	const char *name, *what;
};
#define SKS_KEEP(cap, what)     \
	{                       \
		cap, #cap, what \
	}

/*
 * Keeps of the capabilities that the process has these alone (at most 32), in no set but effective
 * and permitted, and says which of them it lacks. Its user stays. 0 or -errno.
 */
int sks_confine_caps(const struct sks_kept *kept, size_t n);

/*
 * No other program with more rights, no core dump, and no ptrace(2) by its own user. At most so
 * many processes of that user (RLIMIT_NPROC). Descriptors stay as many as the helper may have: all
 * that a user has in flight is counted against RLIMIT_NOFILE of whoever sends the next one
 * (unix(7), ETOOMANYREFS), so with few some other program of root's would stop those that hand
 * descriptors on. 0 or -errno.
 */
int sks_confine_limits(rlim_t processes);

#endif
