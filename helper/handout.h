/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the reports that were handed out and are still open somewhere: their memory is the helper's,
 * for as long as whoever got one likes.
 */
#ifndef SKSTEER_HANDOUT_H
#define SKSTEER_HANDOUT_H

#include <stdint.h>

#define SKS_HANDOUTS_A_USER 32u /* uid 0 has no share of its own */

/*
 * The text in a memfd that nobody can change: a CLOEXEC descriptor the caller owns, to be passed on
 * to that user. -EDQUOT: so many of the user's are still open; -ENOSPC: of all users'; or -errno.
 */
int sks_handout(const char *text, uint32_t uid);

/* Those that nobody has open any more. */
void sks_handouts_forget(void);

#endif
