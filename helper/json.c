// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns how the parts of a report are written as JSON (see json.h). */
#include <stdio.h>
#include <string.h>

#include "json.h"

void sks_json_add(struct json_object *object, const char *key, struct json_object *value)
{
	(void)json_object_object_add_ex(
		object, key, value, JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_ADD_CONSTANT_KEY);
}

void sks_json_add_string(struct json_object *object, const char *key, const char *value)
{
	sks_json_add(object, key, json_object_new_string(value));
}

void sks_json_add_number(struct json_object *object, const char *key, uint64_t value)
{
	sks_json_add(object, key, json_object_new_uint64(value));
}

void sks_json_add_ports(struct json_object *object, const char *key, uint16_t first, uint16_t last)
{
	char text[16];

	if (first == last)
		(void)snprintf(text, sizeof(text), "%u", first);
	else if (first == 1 && last == 65535)
		(void)snprintf(text, sizeof(text), "*");
	else
		(void)snprintf(text, sizeof(text), "%u-%u", first, last);
	sks_json_add_string(object, key, text);
}

void sks_json_add_address(struct json_object *object, const char *key,
			  const struct sks_prefix *prefix)
{
	char text[SKS_PREFIX_STRLEN], *addr = sks_prefix_format(prefix, text);
	size_t len = strlen(addr);

	if (*addr == '[') {
		addr[len - 1] = '\0';
		addr++;
	}
	sks_json_add_string(object, key, addr);
}
