/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the system calls that each process of the helper may make once it serves (seccomp(2)). One
 * that makes another is killed. To be installed last, after no_new_privs.
 *
 * 0 or -errno. A kernel without seccomp is told of in the log, and is no error. Built with
 * AddressSanitizer there is no filter: its leak check clones, traces and signals.
 */
#ifndef SKSTEER_FILTER_H
#define SKSTEER_FILTER_H

int sks_filter_judge(void);
int sks_filter_inside(void);
int sks_filter_holder(void);
int sks_filter_loader(void);
int sks_filter_takers(void);
int sks_filter_taker(void); /* also on top of the one above */

#endif
