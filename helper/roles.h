/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the processes that the helper consists of, and what each keeps of the rights that it
 * was started with:
 *
 * The judge serves; it decides, and writes the maps. The others are its workers: one goes inside
 * other network namespaces (inside.h), one finds who holds what (process.h), one has programs
 * verified (loader.h), one starts those that take what strangers send (stranger.h). Each ends with
 * the judge, and the judge with each, but for the takers.
 */
#ifndef SKSTEER_ROLES_H
#define SKSTEER_ROLES_H

/* Before anything is opened that they need not have. 0 or -errno. */
int sks_roles_start_workers(void);

/*
 * The process is the judge from now on. What takes more than that and is done once (mounting,
 * directories and files of others, locks, the socket) comes before. 0 or -errno.
 */
int sks_roles_judge(void);

/* Says which worker has gone. */
void sks_roles_mourn(void);

#endif
