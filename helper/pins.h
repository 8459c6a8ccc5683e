/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the questions to a namespace's directory of pins that any version's can answer. */
#ifndef SKSTEER_PINS_H
#define SKSTEER_PINS_H

#include <stdbool.h>
#include <stdint.h>

#define SKS_PINS_WHYLEN 576

/* Has the namespace with that number, of which the pins in dir are, died? */
bool sks_pins_outlive(const char *dir, uint64_t ino);

/*
 * Does it live, and have the pins another map layout than ours? ret_why then says so in one line,
 * and what to do about it.
 */
bool sks_pins_are_foreign(const char *dir, uint64_t ino, char ret_why[SKS_PINS_WHYLEN]);
/* The same of pins of which something is no helper's doing: what it is, from sks_sound(). */
void sks_pins_say_damaged(const char *dir, const char *what, char ret_why[SKS_PINS_WHYLEN]);

#endif
