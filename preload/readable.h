/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns that nothing is read that the kernel would not read: where the server passes a pointer that
 * leads nowhere, the kernel says EFAULT, and we may not crash. It is asked once for each page, and
 * what it said is remembered.
 */
#ifndef SKSTEER_READABLE_H
#define SKSTEER_READABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SKS_PAGES 64

struct sks_pages {
	_Atomic uintptr_t known[SKS_PAGES]; /* number + 1; 0: none */
};

/* May these bytes be read? None always may. fd: a UDP socket, which nothing is sent by. */
bool sks_readable(struct sks_pages *pages, int fd, const void *bytes, size_t len);

#endif
