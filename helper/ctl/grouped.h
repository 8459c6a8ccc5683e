/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what of a service is alike for people, and is told in one line. */
#ifndef SKSTEER_CTL_GROUPED_H
#define SKSTEER_CTL_GROUPED_H

#include <json-c/json.h>
#include <stdbool.h>

/*
 * Sockets that only their process or nothing tells apart: {"LISTENER|NOTE": {"NAME PID": COUNT}},
 * NOTE being the state, and what else is to be said. NULL: out of memory, here and below.
 */
struct json_object *sks_group_sockets(const struct json_object *sockets);

/*
 * {"PREFIX|PROTOCOL": [PORTS, ...]}. The report begins with the longest prefixes, and different
 * prefixes of one length have no address in common: so what is gathered here wins in this order too.
 */
struct json_object *sks_group_bindings(const struct json_object *bindings);

/* Is this one of them open on every address of both families: the grammar's "any"? */
bool sks_group_is_any(const struct json_object *groups, const char *key);

#endif
