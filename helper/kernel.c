// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns what depends on the age of the kernel. */
#include <linux/membarrier.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "../common/cleanup.h"
#include "kernel.h"

static bool is_at_least(unsigned long major, unsigned long minor)
{
	struct utsname name;
	unsigned long has_major, has_minor;
	char *end;

	if (uname(&name))
		return false;
	has_major = strtoul(name.release, &end, 10);
	has_minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	return has_major > major || (has_major == major && has_minor >= minor);
}

bool sks_kernel_knows_ingress(void)
{
	return is_at_least(5, 17);
}

bool sks_kernel_takes_global(void)
{
	return is_at_least(6, 1);
}

bool sks_kernel_speculates(void)
{
	return !is_at_least(6, 18);
}

bool sks_kernel_has_barrier(void)
{
	long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	return commands >= 0 && commands & MEMBARRIER_CMD_GLOBAL;
}

void sks_kernel_grace(void)
{
	int packet;

	/* Runs synchronize_rcu() in the kernel; programs run in an RCU read-side section. */
	if (!syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		return;
	/* Closing a packet socket waits for the same. */
	packet = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	sks_closep(&packet);
}
