/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what of a service is alike for people (see grouped.h). */
#include "grouped.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../change.h"
#include "field.h"
#include "spell.h"

#define NOTE_LEN 64

/* Returns buf. */
static char *spell_note(const struct json_object *socket, char buf[NOTE_LEN])
{
	const char *state = sks_field_text(socket, "state");
	uint64_t weight = sks_field_number(socket, "weight");

	(void)snprintf(buf, NOTE_LEN, "%.20s", state);
	if (strcmp(state, "standby") == 0 || strcmp(state, "replaced") == 0)
		return buf;
	if (weight != SKS_WEIGHT)
		(void)snprintf(buf, NOTE_LEN, "%.20s, weight %llu", state,
			       (unsigned long long)weight);
	else if (strcmp(sks_field_text(socket, "answers"), "bound port") == 0)
		(void)snprintf(buf, NOTE_LEN, "%.20s, answers from port %llu", state,
			       (unsigned long long)sks_field_number(socket, "port"));
	return buf;
}

static void count_process(struct json_object *processes, const struct json_object *socket)
{
	const char *name = sks_field_text(socket, "process");
	struct json_object *count;
	char text[48];

	(void)snprintf(text, sizeof(text), "%.16s%s%llu", name, *name ? " " : "process ",
		       (unsigned long long)sks_field_number(socket, "pid"));
	if (json_object_object_get_ex(processes, text, &count))
		(void)json_object_int_inc(count, 1);
	else
		json_object_object_add(processes, text, json_object_new_int(1));
}

struct json_object *sks_group_sockets(const struct json_object *sockets)
{
	struct json_object *groups = json_object_new_object(), *processes;
	char key[SKS_LISTENER_LEN + NOTE_LEN], listener[SKS_LISTENER_LEN], note[NOTE_LEN];

	for (size_t i = 0; groups && i < sks_field_length(sockets); i++) {
		const struct json_object *socket = json_object_array_get_idx(sockets, i);

		(void)snprintf(key, sizeof(key), "%s|%s", sks_spell_listener(socket, listener),
			       spell_note(socket, note));
		if (!json_object_object_get_ex(groups, key, &processes)) {
			processes = json_object_new_object();
			json_object_object_add(groups, key, processes);
		}
		count_process(processes, socket);
	}
	return groups;
}

struct json_object *sks_group_bindings(const struct json_object *bindings)
{
	struct json_object *groups = json_object_new_object(), *list;
	char key[96];

	for (size_t i = 0; groups && i < sks_field_length(bindings); i++) {
		const struct json_object *binding = json_object_array_get_idx(bindings, i);
		const char *prefix = sks_field_text(binding, "prefix");

		/* Cut, as no helper's is: without its bar the key would be none. */
		(void)snprintf(key, sizeof(key),
			       strchr(prefix, ':') ? "[%.64s]|%.16s" : "%.64s|%.16s", prefix,
			       sks_field_text(binding, "protocol"));
		if (!json_object_object_get_ex(groups, key, &list)) {
			list = json_object_new_array();
			json_object_object_add(groups, key, list);
		}
		json_object_array_add(list,
				      json_object_new_string(sks_field_text(binding, "ports")));
	}
	return groups;
}

bool sks_group_is_any(const struct json_object *groups, const char *key)
{
	bool wildcard = strncmp(key, "0.0.0.0/0|", 10) == 0 || strncmp(key, "[::/0]|", 7) == 0;
	struct json_object *v4, *v6;
	char key4[96], key6[96];

	if (!wildcard)
		return false;
	(void)snprintf(key4, sizeof(key4), "0.0.0.0/0|%.64s", strchr(key, '|') + 1);
	(void)snprintf(key6, sizeof(key6), "[::/0]|%.64s", strchr(key, '|') + 1);
	return json_object_object_get_ex(groups, key4, &v4) &&
	       json_object_object_get_ex(groups, key6, &v6) && json_object_equal(v4, v6);
}
