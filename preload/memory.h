/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the layout of the library's memory, which is mapped only in processes that want us. */
#ifndef SKSTEER_MEMORY_H
#define SKSTEER_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "../common/raw.h"
#include "config.h"

#define SKS_FDS 16384 /* descriptors remembered; a server's listeners are among its first */

#define SKS_MOVED 256 /* sockets bound elsewhere that are remembered */

/* Warnings remembered, so that a server that retries for ever does not fill its log with ours. */
#define SKS_WARNINGS 16

/* One of them, or a free place. Its socket is told by its cookie: descriptors are closed unseen. */
struct sks_moved {
	_Atomic uint64_t cookie; /* 0: free */
	_Atomic uint32_t ports;	 /* at << 16 | wanted; at 0: not bound yet */
	_Atomic int fd;		 /* that it was bound by, maybe closed since */
	_Atomic bool settled;	 /* the helper knows it, or it needs not */
};

/*
 * Nothing as large as this is static: .bss beyond the page that ld.so writes to anyway would be one
 * mapping more in every sh, gcc and cat.
 */
struct sks_memory {
	struct sks_config config;
	/*
	 * What bind(2) said, by descriptor, for TCP. close(2) and dup(2) are not watched: every
	 * bind overwrites its entry, a duplicate is unknown and asked for, and fork(2) copies the
	 * whole.
	 */
	_Atomic uint32_t binds[SKS_FDS];
	struct sks_moved moved[SKS_MOVED];
	_Atomic uint32_t moved_end; /* beyond the last place that was ever used */
	_Atomic uint32_t warned[SKS_WARNINGS];
	/* In a page of its own, which fork(2) wipes: did this very process claim a first listener?
	 */
	_Alignas(4096) _Atomic char claimed_here;
	char rest[4095];
};

/* Zeroed memory, MAP_PRIVATE or MAP_SHARED, that costs what is used of it; NULL: there is none. */
static inline void *sks_memory_map(size_t size, int flags)
{
#ifdef SYS_mmap2
	long number = SYS_mmap2;
#else
	long number = SYS_mmap;
#endif
	long addr = sks_raw(number, NULL, size, PROT_READ | PROT_WRITE,
			    MAP_ANONYMOUS | MAP_NORESERVE | flags, -1);

	return addr < 0 && addr > -4096 ? NULL : (void *)addr;
}

/* NULL until sks_config_get() has answered, and for good where that answer is NULL. */
extern struct sks_memory *sks_memory;

#endif
