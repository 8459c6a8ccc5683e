/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the way to the root of the cgroups, where the bind hooks are attached. */
#ifndef SKSTEER_CGROUP_H
#define SKSTEER_CGROUP_H

/*
 * The root of the version 2 hierarchy, as the process's cgroup namespace has it, wherever it is
 * mounted or not: a descriptor that the caller owns. Needs CAP_SYS_ADMIN. -errno: there is none.
 */
int sks_cgroup_open(void);

#endif
