/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the files of hooks have in common. */
#ifndef SKSTEER_EXPORT_H
#define SKSTEER_EXPORT_H

#include <errno.h>

#define SKS_EXPORT __attribute__((visibility("default")))

/* Of a hook that does not get to the kernel. */
static inline int sks_fail(int err)
{
	errno = -err;
	return -1;
}

#endif
