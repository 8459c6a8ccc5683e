/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the tokens by which a process shows that it has, or had, a registered UDP socket, whichever
 * user it is by then: random, one a slot, in the helper's memory alone. Whoever brings the very
 * socket is told.
 */
#ifndef SKSTEER_TOKEN_H
#define SKSTEER_TOKEN_H

#include "request.h"

/* asked->token, where the socket that came along is a UDP socket in a slot. Keeps the verdict. */
void sks_token_tell(struct sks_asked *asked);
/* Is it the one of that slot? 0 is none. */
bool sks_token_is(const struct sks_space *space, uint32_t slot, uint64_t token);

#endif
