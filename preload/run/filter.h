/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the seccomp filter: which system calls of the command wait for our answer. */
#ifndef SKSTEER_RUN_FILTER_H
#define SKSTEER_RUN_FILTER_H

#include <stdbool.h>

/*
 * From here on bind(2) and listen(2) of this process and all to come from it are notifications that
 * *ret_listener, a CLOEXEC descriptor, receives. socket(2) with IPPROTO_MPTCP says EPROTONOSUPPORT,
 * since no MPTCP socket can be steered and programs have to do without where a kernel has none.
 *
 * Where the process is not privileged enough (CAP_SYS_ADMIN), no_new_privs is set: set-user-ID
 * programs then run without their rights. 0 or -errno; -EBUSY: another supervisor is there already.
 */
int sks_filter_install(int *ret_listener);

/* May a filter be installed without no_new_privs? */
bool sks_filter_is_privileged(void);

#endif
