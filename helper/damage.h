/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns what the helper remembers of pins that are damaged: it looks at all records once, and not
 * each time that somebody asks.
 */
#ifndef SKSTEER_DAMAGE_H
#define SKSTEER_DAMAGE_H

#include <stdint.h>

#include "pins.h"
#include "sound.h"

struct sks_damage {
	struct sks_damage *next;
	uint64_t ino; /* of the namespace */
	char what[SKS_SOUND_WHYLEN];
};

/* Are the pins in dir, of that namespace, known to be damaged? ret_why then says so in one line. */
bool sks_damage_holds(const struct sks_damage *list, const char *dir, uint64_t ino,
		      char ret_why[SKS_PINS_WHYLEN]);
/* Without memory it is forgotten, and found again. */
void sks_damage_keep(struct sks_damage **list, uint64_t ino, const char *what);
void sks_damage_forget(struct sks_damage **list, uint64_t ino);

#endif
