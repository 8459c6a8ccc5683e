/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how fields of the report are read: one that is not there is NULL, 0, "" or empty. */
#ifndef SKSTEER_CTL_FIELD_H
#define SKSTEER_CTL_FIELD_H

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

static inline const struct json_object *sks_field(const struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	(void)json_object_object_get_ex(object, key, &value);
	return value;
}

static inline uint64_t sks_field_number(const struct json_object *object, const char *key)
{
	return json_object_get_uint64(sks_field(object, key));
}

/* The library wants it writable, since it may cache the string's form of another type. */
static inline const char *sks_field_text(const struct json_object *object, const char *key)
{
	const char *text = json_object_get_string((struct json_object *)sks_field(object, key));

	return text ? text : "";
}

/* Of an array: "" where it is none. */
static inline const char *sks_item_text(const struct json_object *array, size_t i)
{
	const char *text = json_object_get_string(json_object_array_get_idx(array, i));

	return text ? text : "";
}

static inline size_t sks_field_length(const struct json_object *array)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

#endif
