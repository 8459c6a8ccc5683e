/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns what Yama's ptrace_scope 1 is to a user's sksteer-run, where the kernel has no Yama: another
 * process's memory and descriptors are for whoever that process has named by PR_SET_PTRACER, and
 * its descendants. As in the kernel, execve(2) takes no such name away, and fork(2) passes none on.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Of sksteer-run and all that it forks: the one process that has named its tracer. */
static struct {
	pid_t tracee, tracer;
} * relation;

__attribute__((constructor)) static void start(void)
{
	relation = mmap(NULL, sizeof(*relation), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
}

static int may_attach(pid_t tracee)
{
	pid_t tracer = relation->tracer;

	/* Who has ended is nobody's tracer any more, whoever its children are. */
	return tracee == relation->tracee && (getpid() == tracer || getppid() == tracer);
}

int prctl(int option, ...)
{
	unsigned long args[4];
	va_list list;

	va_start(list, option);
	for (int i = 0; i < 4; i++)
		args[i] = va_arg(list, unsigned long);
	va_end(list);
	if (option == PR_SET_PTRACER) {
		relation->tracee = getpid();
		relation->tracer = (pid_t)args[0];
		return 0;
	}
	return (int)syscall(SYS_prctl, option, args[0], args[1], args[2], args[3]);
}

ssize_t process_vm_readv(pid_t pid, const struct iovec *to, unsigned long n_to,
			 const struct iovec *from, unsigned long n_from, unsigned long flags)
{
	if (!may_attach(pid)) {
		errno = EPERM;
		return -1;
	}
	return syscall(SYS_process_vm_readv, pid, to, n_to, from, n_from, flags);
}

static pid_t pid_of(int pidfd)
{
	char path[64], line[64];
	int pid = 0;
	FILE *info;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	info = fopen(path, "re");
	while (info && fgets(line, sizeof(line), info))
		if (sscanf(line, "Pid: %d", &pid) == 1)
			break;
	if (info)
		fclose(info);
	return pid;
}

long syscall(long number, ...)
{
	static long (*real)(long number, ...);
	long args[6];
	va_list list;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	va_start(list, number);
	for (int i = 0; i < 6; i++)
		args[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_pidfd_getfd && !may_attach(pid_of((int)args[0]))) {
		errno = EPERM;
		return -1;
	}
	return real(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}
