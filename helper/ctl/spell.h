/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how single things of a report are written for people. */
#ifndef SKSTEER_CTL_SPELL_H
#define SKSTEER_CTL_SPELL_H

#include <json-c/json.h>
#include <stdio.h>

/* What others named must not reach a terminal as a command to it. */
void sks_put_safely(FILE *to, const char *text);

/* A user's name, or his number where he has none. */
void sks_put_user(FILE *to, uint32_t uid);

/* A socket as ss(8) writes it: *:80/tcp accepts both families. Returns buf. */
#define SKS_LISTENER_LEN 128
char *sks_spell_listener(const struct json_object *socket, char buf[SKS_LISTENER_LEN]);

#endif
