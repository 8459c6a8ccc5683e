/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the end of reply sockets: when what was steered to their service is not any more, they are
 * aborted, so that their servers close them. Nothing is remembered of them: sock_diag(7) lists them
 * before a change is published, and what led to a service then and does not afterwards goes.
 */
#ifndef SKSTEER_REPLY_END_H
#define SKSTEER_REPLY_END_H

#include "diag_reply.h"
#include "ranges.h"
#include "store.h"

/* Does the change under way take any UDP port from that service? Also where it does not, perhaps. */
bool sks_replies_may_end(const struct sks_space *space, const struct sks_service *service);

/*
 * Before a change is published that may touch these UDP ports (merged; NULL: all): those that lead
 * to a service now. An empty list where that can't be found out.
 */
void sks_replies_note(const struct sks_space *space, int netns, const struct sks_ranges *udp,
		      struct sks_reply_list *ret_list);
/* Afterwards, when none of them leads anywhere (space: NULL) or some may: aborts, and frees. */
void sks_replies_end(const struct sks_space *space, int netns, struct sks_reply_list *list);

#endif
