/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how the parts of a report are written as JSON. Keys are literals, and none comes twice. */
#ifndef SKSTEER_JSON_H
#define SKSTEER_JSON_H

#include <json-c/json.h>
#include <stdint.h>

#include "../common/prefix.h"

/* value goes into the object. */
void sks_json_add(struct json_object *object, const char *key, struct json_object *value);
void sks_json_add_string(struct json_object *object, const char *key, const char *value);
void sks_json_add_number(struct json_object *object, const char *key, uint64_t value);
/* "80", "80-90" or "*" */
void sks_json_add_ports(struct json_object *object, const char *key, uint16_t first, uint16_t last);
/* As people write it beside a port in a column of its own: without brackets. */
void sks_json_add_address(struct json_object *object, const char *key,
			  const struct sks_prefix *prefix);

#endif
