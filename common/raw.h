/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns system calls made past libc's wrappers. Inside somebody else's program the wrappers are not
 * ours to call: close(), connect(), recvmsg() and write() are cancellation points, which bind(2)
 * and listen(2) must not become, and the program or another preload may have put its own in their
 * place (socksifiers, sanitizers, coroutine libraries). syscall(2) is neither.
 */
#ifndef SKSTEER_RAW_H
#define SKSTEER_RAW_H

#include <errno.h>
#include <linux/time_types.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The kernel's answer, or -errno. errno itself stays as it was. */
#define sks_raw(...)                                     \
	({                                               \
		int sks_raw_errno = errno;               \
		long sks_raw_ret = syscall(__VA_ARGS__); \
                                                         \
		if (sks_raw_ret < 0) {                   \
			sks_raw_ret = -errno;            \
			errno = sks_raw_errno;           \
		}                                        \
		sks_raw_ret;                             \
	})

/* Microseconds of CLOCK_MONOTONIC. Past libc: faketime and the like would stretch a deadline. */
static inline int64_t sks_now_us(void)
{
	struct __kernel_timespec now = { 0 };

#ifdef SYS_clock_gettime64 /* 32-bit: the plain call has no 64-bit time */
	(void)sks_raw(SYS_clock_gettime64, CLOCK_MONOTONIC, &now);
#else
	(void)sks_raw(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
#endif
	return (int64_t)now.tv_sec * 1000000 + (int64_t)now.tv_nsec / 1000;
}

#endif
