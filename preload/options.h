/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns which options of a server's UDP socket a socket of ours has as well: all that shape a
 * datagram that is sent, and for one that receives in its place, what is received.
 */
#ifndef SKSTEER_OPTIONS_H
#define SKSTEER_OPTIONS_H

#include <stdbool.h>
#include <sys/socket.h>

/* receives: those of what is received, too. What one of them does not know is passed over. */
void sks_options_copy(int from, int to, bool receives);
/* Is it one that shapes what is sent? */
bool sks_option_is_sent(int level, int name);

#endif
