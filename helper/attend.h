/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the processes while which live the helper does not go for idleness. */
#ifndef SKSTEER_ATTEND_H
#define SKSTEER_ATTEND_H

#include <stdbool.h>
#include <stddef.h>

#include "request.h"

#define SKS_MAX_ATTENDED 1024 /* of one kind */

/*
 * The process that asks is attended until it ends: sksteer-run, which becomes the server by exec.
 * Its end wakes the epoll instance, with that tag.
 */
void sks_attend(struct sks_asked *asked, int epoll, void *tag);
/* Those that have ended are not attended any more. */
void sks_attend_forget(void);
bool sks_attend_any(void);
/*
 * A pidfd of the process that asks, of which the caller attends n already, own of them its user's.
 * -1: refused, and the verdict says why.
 */
int sks_attend_open(struct sks_asked *asked, size_t n, size_t own);

#endif
