/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the helper counts of itself since it started: told, never acted upon. */
#ifndef SKSTEER_TALLY_H
#define SKSTEER_TALLY_H

#include <stdint.h>

struct sks_tally {
	uint64_t registrations; /* sockets that were taken */
	uint64_t denials;	/* requests for ports that were refused */
	uint64_t events;	/* that were to be told to somebody who watches, ... */
	uint64_t events_lost;	/* ... and found no room */
};

extern struct sks_tally sks_tally;

/* The helper's life begins. */
void sks_tally_begin(void);

#endif
