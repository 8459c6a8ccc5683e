/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns how long it may take to let go of what strangers have sent. Whoever closes a socket last
 * waits for its SO_LINGER, up to 68 years, and that may be us: also for a descriptor in a record
 * that is never read, or in the queue of another that was sent. No option reaches all of these. But
 * a signal ends such a wait: so while the curb is on, there is one each 0.1 ms.
 */
#ifndef SKSTEER_CURB_H
#define SKSTEER_CURB_H

/* Once, before the others. Takes SIGALRM and ITIMER_REAL. */
void sks_curb_init(void);

/* Pairs may be nested. What lies between gets EINTR where it blocks. Some us: not for everybody. */
void sks_curb_begin(void);
void sks_curb_end(void);

/* Closes a stranger's connection with whatever is queued in it. */
void sks_curb_hang_up(int conn);

#endif
