/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns which policy file is in force: read at the start, and again when the helper is told to. */
#ifndef SKSTEER_POLICY_LOAD_H
#define SKSTEER_POLICY_LOAD_H

/* path NULL: the default one, if it is there. It is kept. 0, or -errno: it was said why. */
int sks_policy_load(const char *path);

/*
 * The same file again. One that is refused changes nothing; without a default one the built-in rule
 * is in force. Either is said. What was granted before stays.
 */
void sks_policy_reload(void);

#endif
