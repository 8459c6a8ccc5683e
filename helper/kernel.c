// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns what depends on the age of the kernel. */
#include <stdlib.h>
#include <sys/utsname.h>

#include "kernel.h"

bool sks_kernel_knows_ingress(void)
{
	struct utsname name;
	unsigned long major, minor;
	char *end;

	if (uname(&name))
		return false;
	major = strtoul(name.release, &end, 10);
	minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	return major > 5 || (major == 5 && minor >= 17);
}
