/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how the server of calls.c says what came of a call, and which socket it is about. */
#ifndef SKSTEER_TESTS_CALLS_H
#define SKSTEER_TESTS_CALLS_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ERRNO_BEFORE EXDEV /* none of the calls sets it */

static int fd = -1;

/* For how long the thread was kept waiting for a processor. */
static long kept_waiting_ms(void)
{
	long file = syscall(SYS_openat, AT_FDCWD, "/proc/thread-self/schedstat", O_RDONLY);
	unsigned long long delay = 0;
	char buf[128] = "";

	if (file < 0)
		return 0;
	if (syscall(SYS_read, file, buf, sizeof(buf) - 1) > 0)
		sscanf(buf, "%*u %llu", &delay);
	syscall(SYS_close, file);
	return (long)(delay / 1000000);
}

/* Without what is up to whatever else runs. Never a cancellation point. */
static long now_ms(void)
{
	int kept = errno;
	struct timespec now;
	long waited = kept_waiting_ms();

	clock_gettime(CLOCK_MONOTONIC, &now);
	errno = kept;
	return now.tv_sec * 1000 + now.tv_nsec / 1000000 - waited;
}

/* Neither what a sandbox forbids nor a cancellation point, which would end a cancelled thread. */
static void say(const char *call, int ret, long began)
{
	int kept = errno;
	char line[128];
	int len;
	/* In a sandbox no clock may be asked. */
	long took = began ? now_ms() - began : 0;
	const char *pace = took >= 1000 ? " late" : took >= 500 ? " waited" : "";

	if (ret == 0 && kept == ERRNO_BEFORE)
		len = snprintf(line, sizeof(line), "%s ok%s\n", call, pace);
	else if (ret == 0)
		len = snprintf(line, sizeof(line), "%s ok, errno %d%s\n", call, kept, pace);
	else
		len = snprintf(line, sizeof(line), "%s %s%s\n", call, strerrorname_np(kept), pace);
	if (syscall(SYS_write, STDOUT_FILENO, line, (size_t)len) != len)
		_exit(1);
}

#endif
