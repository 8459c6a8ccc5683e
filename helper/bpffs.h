/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns where the pins of namespaces lie: the bpffs, and the names of directories on it. */
#ifndef SKSTEER_BPFFS_H
#define SKSTEER_BPFFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Makes dir, and mounts a bpffs where there is none. 0 or -errno. */
int sks_bpffs_prepare(const char *dir);

/* Is the path on a bpffs? False also when it is not there. */
bool sks_is_bpffs(const char *path);

/* Where the pins of a namespace lie: DIR/net-INO. -ENAMETOOLONG. */
int sks_space_path(const char *dir, uint64_t ino, char *buf, size_t size);

/* The namespace's number in the name of such a directory; 0: it is none. */
uint64_t sks_space_number(const char *name);

#endif
