/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the files of `sksteerctl lookup` share: what was asked, and how it is answered. */
#ifndef SKSTEER_CTL_LOOKUP_H
#define SKSTEER_CTL_LOOKUP_H

#include <json-c/json.h>

#include "../packet.h"
#include "ctl.h"

/* What the words ask for. SKS_CTL_DONE, or the exit status after having said what is wrong. */
int sks_lookup_words(const struct sks_ctl *ctl, struct sks_packet *ret_packet);

/* "192.0.2.7:80/tcp from 198.51.100.1:4000". Returns buf. */
#define SKS_LOOKUP_PLACELEN 192
char *sks_lookup_place(const struct sks_packet *packet, char buf[SKS_LOOKUP_PLACELEN]);

/* For a person: one line, and what explains it below. */
void sks_lookup_show(const struct sks_packet *packet, const struct json_object *answer);

#endif
