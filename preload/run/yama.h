/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the Yama security module has to do with it when a process may not be looked into. */
#ifndef SKSTEER_RUN_YAMA_H
#define SKSTEER_RUN_YAMA_H

/*
 * kernel.yama.ptrace_scope: 1: a user may take descriptors only from its processes' descendants,
 * and from who has allowed it (PR_SET_PTRACER); 2: only root may; 3: nobody. 0: no such limit.
 */
int sks_yama_scope(void);

#endif
