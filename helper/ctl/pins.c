/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what a verb that reads the pins says where they say nothing. */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "../bpffs.h"
#include "ctl.h"

bool sks_ctl_sees_bpffs(const char *dir)
{
	char copy[PATH_MAX];

	(void)snprintf(copy, sizeof(copy), "%s", dir);
	return sks_is_bpffs(dir) ||
	       (access(dir, F_OK) && errno == ENOENT && sks_is_bpffs(dirname(copy)));
}

const char *sks_ctl_pins_text(int err)
{
	switch (err) {
	case -ENOENT:
		return "no bpffs is mounted at";
	case -EACCES:
	case -EPERM:
		return "only root reads the pins in";
	default:
		return "cannot read the pins in";
	}
}
