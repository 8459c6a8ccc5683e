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
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * The kernel's answer, or -errno; errno itself stays as it was. By instruction where we know it:
 * libtorsocks has a syscall() of its own, too.
 */
static inline long sks_raw6(long number, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__) && defined(__LP64__)
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
#else
	int saved = errno;
	long ret = syscall(number, a, b, c, d, e, f);

	if (ret == -1) { /* an address may be less than that, too */
		ret = -errno;
		errno = saved;
	}
	return ret;
#endif
}

#define SKS_RAW(number, a, b, c, d, e, f, ...) \
	sks_raw6(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#ifdef __clang_analyzer__ /* it does not see that the kernel writes through numbers */
#define sks_raw(...) syscall(__VA_ARGS__)
#else
#define sks_raw(...) SKS_RAW(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#endif

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

/* ppoll(2) of n descriptors; ms < 0: for ever. How many, or -errno. */
static inline long sks_poll(struct pollfd *fds, size_t n, int ms)
{
	struct __kernel_timespec limit = {
		.tv_sec = ms / 1000,
		.tv_nsec = (long)(ms % 1000) * 1000000,
	};

#ifdef SYS_ppoll_time64 /* 32-bit, as in sks_now_us() */
	return sks_raw(SYS_ppoll_time64, fds, n, ms < 0 ? NULL : &limit, NULL, (size_t)0);
#else
	return sks_raw(SYS_ppoll, fds, n, ms < 0 ? NULL : &limit, NULL, (size_t)0);
#endif
}

/* Past libc as well: nanosleep(2) and the like are cancellation points there. */
static inline void sks_pause_us(long us)
{
	struct __kernel_timespec pause = { .tv_nsec = us * 1000 };

#ifdef SYS_ppoll_time64 /* 32-bit, as in sks_now_us() */
	(void)sks_raw(SYS_ppoll_time64, (void *)0, 0, &pause, (void *)0, (size_t)0);
#else
	(void)sks_raw(SYS_ppoll, (void *)0, 0, &pause, (void *)0, (size_t)0);
#endif
}

#endif
