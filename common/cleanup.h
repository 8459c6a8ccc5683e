/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the one way a descriptor is closed on every path: CLEANUP_FD, with errno kept. */
#ifndef SKSTEER_CLEANUP_H
#define SKSTEER_CLEANUP_H

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline void sks_closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	errno = saved;
}
#define CLEANUP_FD __attribute__((cleanup(sks_closep)))

/* Hands the descriptor in *fd to the caller: the cleanup of *fd then closes nothing. */
static inline int sks_take_fd(int *fd)
{
	int ret = *fd;

	*fd = -1;
	return ret;
}

/* Closes all from first to last. As close_range(2), which musl does not declare. */
static inline int sks_close_range(unsigned int first, unsigned int last)
{
	return (int)syscall(SYS_close_range, first, last, 0);
}

#endif
