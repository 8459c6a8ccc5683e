/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns a kernel without cgroup version 2, to whoever has this preloaded. */
#include <dlfcn.h>
#include <errno.h>
#include <mntent.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

long syscall(long number, ...)
{
	long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	long args[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		args[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_fsopen) {
		errno = ENODEV;
		return -1;
	}
	return real(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}

struct mntent *getmntent(FILE *file)
{
	struct mntent *(*real)(FILE *) = (struct mntent * (*)(FILE *))
		dlsym(RTLD_NEXT, "getmntent");
	struct mntent *entry;

	while ((entry = real(file)) && strcmp(entry->mnt_type, "cgroup2") == 0)
		;
	return entry;
}
