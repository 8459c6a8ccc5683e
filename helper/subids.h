/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns whose a subordinate uid is, by /etc/subuid (subuid(5)): who has a range of them can come as
 * any, in the namespace of all, so what is limited by the user has to see one user there.
 */
#ifndef SKSTEER_SUBIDS_H
#define SKSTEER_SUBIDS_H

#include <stdint.h>

/* Reads the file, instead of what was read before. What it can't make out is nobody's. */
void sks_subids_load(void);

/* Who may use uid, besides; uid itself where that is nobody, or root. */
uint32_t sks_subids_owner(uint32_t uid);

#endif
