// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns what the helper counts of itself (see tally.h). */
#include "tally.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "../common/maps.h"
#include "../common/release.h"
#include "groups.h"
#include "request.h"

struct sks_tally sks_tally;
static struct timespec begun;

void sks_tally_begin(void)
{
	(void)clock_gettime(CLOCK_MONOTONIC, &begun);
}

static double uptime(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - begun.tv_sec) + (double)(now.tv_nsec - begun.tv_nsec) / 1e9;
}

/* In the text that every reply has: it is short, and nobody has to be given a file. */
void sks_ask_tally(struct sks_asked *asked)
{
	if (!sks_peer_sees_all(&asked->peer)) {
		(void)sks_refuse(&asked->verdict, -EPERM,
				 "what the helper counts is for root and its own group");
		return;
	}
	(void)snprintf(asked->verdict.text, sizeof(asked->verdict.text),
		       "{\"version\":\"%s\",\"wire\":%u,\"layout\":%u,\"uptime\":%.3f,"
		       "\"namespaces\":%zu,\"registrations\":%llu,\"denials\":%llu,"
		       "\"events\":%llu,\"events_lost\":%llu}",
		       SKS_RELEASE, SKS_WIRE_VERSION, SKS_LAYOUT, uptime(), asked->spaces->n,
		       (unsigned long long)sks_tally.registrations,
		       (unsigned long long)sks_tally.denials, (unsigned long long)sks_tally.events,
		       (unsigned long long)sks_tally.events_lost);
}
