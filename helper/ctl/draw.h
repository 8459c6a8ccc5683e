/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns what `status` shows without --json: each service, the sockets that it leads to (->), and
 * what is steered to it (<-).
 */
#ifndef SKSTEER_CTL_DRAW_H
#define SKSTEER_CTL_DRAW_H

#include <json-c/json.h>
#include <stdio.h>

/* Prints the "services" of a report. 0 or -ENOMEM. */
int sks_draw_services(FILE *to, const struct json_object *services);

#endif
