/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the way to the root of the cgroups, where the bind hooks are attached. */
#ifndef SKSTEER_CGROUP_H
#define SKSTEER_CGROUP_H

/*
 * The root of the version 2 hierarchy, wherever it is mounted or not; where only that of the
 * process's cgroup namespace can be had, that. A descriptor that the caller owns. It changes no
 * option of the hierarchy. May leave the process in a cgroup namespace of its own. -errno: there is
 * none.
 */
int sks_cgroup_open(void);

#endif
