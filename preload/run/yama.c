/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the Yama security module has to do with it (see yama.h). */
#include "yama.h"

#include <fcntl.h>
#include <unistd.h>

#include "../../common/cleanup.h"

int sks_yama_scope(void)
{
	CLEANUP_FD int fd = open("/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);
	char digit = '0';

	if (fd < 0 || read(fd, &digit, 1) != 1 || digit < '0' || digit > '3')
		return 0;
	return digit - '0';
}
