/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns syscall(3), by which some libraries make calls that their libc may lack: libuv receives and
 * sends many datagrams so, and closes descriptors; libseccomp installs its filter.
 */
#undef _GNU_SOURCE /* as in the other files of hooks */
#define _DEFAULT_SOURCE
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "dgram.h"
#include "export.h"
#include "real.h"

/* Elsewhere our own system calls are made by syscall(3), too. */
#if (defined(__x86_64__) && defined(__LP64__)) || defined(__aarch64__)

int recvmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags, struct timespec *timeout);
int sendmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags);
int dup3(int fd, int other, int flags);

/* In a process that has to do with UDP. */
static long call(long number, const long arg[6])
{
	switch (number) {
	case SYS_recvmmsg:
		return recvmmsg((int)arg[0], (struct mmsghdr *)arg[1], (unsigned int)arg[2],
				(int)arg[3], (struct timespec *)arg[4]);
	case SYS_sendmmsg:
		return sendmmsg((int)arg[0], (struct mmsghdr *)arg[1], (unsigned int)arg[2],
				(int)arg[3]);
	case SYS_recvmsg:
		return recvmsg((int)arg[0], (struct msghdr *)arg[1], (int)arg[2]);
	case SYS_sendmsg:
		return sendmsg((int)arg[0], (const struct msghdr *)arg[1], (int)arg[2]);
	case SYS_dup3:
		return dup3((int)arg[0], (int)arg[1], (int)arg[2]);
	case SYS_close:
		return close((int)arg[0]);
	default:
		return sks_real_syscall(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
	}
}

SKS_EXPORT long syscall(long number, ...)
{
	long arg[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		arg[i] = va_arg(args, long);
	va_end(args);
	if (__builtin_expect(number == SYS_seccomp, 0) && sks_config_get())
		sks_udp_sandbox();
	if (__builtin_expect(sks_udp != NULL, 0))
		return call(number, arg);
	return sks_real_syscall(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}

#endif
