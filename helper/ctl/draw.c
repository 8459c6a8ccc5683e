/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what `status` shows without --json (see draw.h). */
#include "draw.h"

#include <errno.h>
#include <string.h>

#include "field.h"
#include "flow.h"
#include "grouped.h"
#include "spell.h"

/* At a glance; --json has all of it. */
#define MAX_LISTENERS 12u
#define MAX_PROCESSES 3u
#define MAX_GROUPS    12u
#define MAX_ITEMS     40u

#define ARROW_INDENT 5u	 /* of what goes on below an arrow */
#define MAX_ALIGNED  26u /* listeners up to this long make processes begin in one column */

/* Where there are more than are shown. */
static void put_more(struct sks_flow *flow, size_t n, size_t max)
{
	char text[48];

	if (n <= max)
		return;
	(void)snprintf(text, sizeof(text), "... and %zu more", n - max);
	sks_flow_item(flow, " ", text, SKS_PLAIN);
}

static void begin(struct sks_flow *flow, const char *arrow, const char *text)
{
	flow->indent = ARROW_INDENT;
	sks_flow_put(flow, "  ", SKS_PLAIN);
	sks_flow_put(flow, arrow, SKS_PLAIN);
	sks_flow_put(flow, " ", SKS_PLAIN);
	sks_flow_put(flow, text, SKS_PLAIN);
}

/* A datagram counts as a connection: the program can't tell them apart better. */
static void put_counter(struct sks_flow *flow, const struct json_object *service, const char *key,
			const char *word, enum sks_colour colour, const char *separator)
{
	uint64_t n = sks_field_number(sks_field(service, "counters"), key);
	const struct json_object *rate = sks_field(sks_field(service, "rates"), key);
	char text[80], per_second[32] = "";

	if (rate)
		(void)snprintf(per_second, sizeof(per_second), " (%.1f/s)",
			       json_object_get_double(rate));
	(void)snprintf(text, sizeof(text), "%llu %s%s", (unsigned long long)n, word, per_second);
	if (n || strcmp(key, "steered") == 0)
		sks_flow_item(flow, separator, text, n ? colour : SKS_PLAIN);
}

static void put_head(struct sks_flow *flow, const struct json_object *service)
{
	char user[64] = "";
	FILE *to = fmemopen(user, sizeof(user), "w");

	if (to) {
		(void)fputc('(', to);
		sks_put_user(to, (uint32_t)sks_field_number(sks_field(service, "owner"), "uid"));
		(void)fputc(')', to);
		(void)fclose(to);
	}
	flow->indent = 2;
	sks_flow_put(flow, sks_field_text(service, "label"), SKS_BOLD);
	sks_flow_item(flow, " ", user, SKS_PLAIN);
	put_counter(flow, service, "steered", "steered", SKS_PLAIN, "  ");
	put_counter(flow, service, "refused", "refused", SKS_RED, ", ");
	put_counter(flow, service, "errors", "failed", SKS_RED, ", ");
	sks_flow_end(flow);
}

static void put_processes(struct sks_flow *flow, struct json_object *processes)
{
	const char *separator = "";
	char text[80];
	size_t n = 0;

	json_object_object_foreach(processes, process, count)
	{
		if (n++ >= MAX_PROCESSES)
			continue;
		(void)snprintf(text, sizeof(text),
			       json_object_get_int(count) > 1 ? "%.40s (%d sockets)" : "%.40s",
			       process, json_object_get_int(count));
		sks_flow_item(flow, separator, text, SKS_PLAIN);
		separator = ", ";
	}
	if (n > MAX_PROCESSES) {
		(void)snprintf(text, sizeof(text), "%zu more", n - MAX_PROCESSES);
		sks_flow_item(flow, separator, text, SKS_PLAIN);
	}
}

static enum sks_colour colour_of(const char *note)
{
	return strcmp(note, "replaced") == 0 || strcmp(note, "standby") == 0 ? SKS_YELLOW
									     : SKS_PLAIN;
}

/* The column in which most processes begin. */
static size_t align(const struct json_object *groups)
{
	size_t widest = 0;

	json_object_object_foreach(groups, key, value)
	{
		size_t len = (size_t)(strrchr(key, '|') - key);

		(void)value;
		widest = len > widest && len <= MAX_ALIGNED ? len : widest;
	}
	return ARROW_INDENT + widest;
}

static int put_sockets(struct sks_flow *flow, const struct json_object *service)
{
	struct json_object *groups = sks_group_sockets(sks_field(service, "sockets"));
	size_t n = 0, column;

	if (!groups)
		return -ENOMEM;
	/* A label outlives its server, and its ports are refused meanwhile: nobody else gets them. */
	if (!json_object_object_length(groups)) {
		begin(flow, "->", "");
		sks_flow_put(flow,
			     sks_field_length(sks_field(service, "bindings")) ? "down (refusing)"
									      : "no server yet",
			     SKS_RED);
		sks_flow_end(flow);
	}
	column = align(groups);
	json_object_object_foreach(groups, key, processes)
	{
		const char *note = strrchr(key, '|') + 1;
		char listener[SKS_LISTENER_LEN];

		if (n++ >= MAX_LISTENERS)
			continue;
		(void)snprintf(listener, sizeof(listener), "%.*s", (int)(note - 1 - key), key);
		begin(flow, "->", listener);
		sks_flow_pad(flow, column);
		sks_flow_put(flow, "  ", SKS_PLAIN);
		put_processes(flow, processes);
		sks_flow_item(flow, ", ", note, colour_of(note));
		sks_flow_end(flow);
	}
	if (n > MAX_LISTENERS) {
		begin(flow, "  ", "");
		put_more(flow, n, MAX_LISTENERS);
		sks_flow_end(flow);
	}
	json_object_put(groups);
	return 0;
}

static void put_group(struct sks_flow *flow, const char *where, const char *proto,
		      const struct json_object *ports)
{
	const char *last = "", *separator = "";
	size_t n = 0, end = 1 + strlen(proto);

	flow->width -= end;
	begin(flow, "<-", where);
	sks_flow_put(flow, ":", SKS_PLAIN);
	for (size_t i = 0; i < sks_field_length(ports); i++) {
		const char *text = sks_item_text(ports, i);

		/* 80 and any:80 of a wildcard listener are the same. */
		if (strcmp(text, last) == 0)
			continue;
		last = text;
		if (n++ >= MAX_ITEMS)
			continue;
		sks_flow_item(flow, separator, text, SKS_PLAIN);
		separator = ",";
	}
	flow->width += end;
	sks_flow_put(flow, "/", SKS_PLAIN);
	sks_flow_put(flow, proto, SKS_PLAIN);
	put_more(flow, n, MAX_ITEMS);
	sks_flow_end(flow);
}

static int put_bindings(struct sks_flow *flow, const struct json_object *service)
{
	struct json_object *groups = sks_group_bindings(sks_field(service, "bindings"));
	size_t n = 0;

	if (!groups)
		return -ENOMEM;
	json_object_object_foreach(groups, key, ports)
	{
		bool any = sks_group_is_any(groups, key);
		const char *bar = strchr(key, '|');
		char where[96];

		if (any && *key == '[') /* its twin said it */
			continue;
		(void)snprintf(where, sizeof(where), "%.*s", (int)(bar - key), key);
		if (n++ < MAX_GROUPS)
			put_group(flow, any ? "any" : where, bar + 1, ports);
	}
	if (n > MAX_GROUPS) {
		begin(flow, "  ", "");
		put_more(flow, n, MAX_GROUPS);
		sks_flow_end(flow);
	}
	json_object_put(groups);
	return 0;
}

static const char *spell_left_out(const struct json_object *entry, char buf[64])
{
	bool udp = strcmp(sks_field_text(entry, "protocol"), "udp") == 0;

	(void)snprintf(buf, 64, "%.56s%s", sks_field_text(entry, "ports"), udp ? "/udp" : "");
	return buf;
}

/* What leads to no socket: texts, or ports with their protocol. */
static void put_list(struct sks_flow *flow, const char *lead, const struct json_object *list)
{
	size_t n = sks_field_length(list);
	char text[64];

	if (!n)
		return;
	flow->indent = 4;
	sks_flow_put(flow, "  ", SKS_PLAIN);
	sks_flow_put(flow, lead, SKS_PLAIN);
	for (size_t i = 0; i < n && i < MAX_ITEMS; i++) {
		const struct json_object *item = json_object_array_get_idx(list, i);
		const char *said = json_object_is_type(item, json_type_object)
					   ? spell_left_out(item, text)
					   : sks_item_text(list, i);

		sks_flow_item(flow, i ? "," : " ", said, SKS_PLAIN);
	}
	put_more(flow, n, MAX_ITEMS);
	sks_flow_end(flow);
}

int sks_draw_services(FILE *to, const struct json_object *services)
{
	struct sks_flow flow = sks_flow_for(to);
	int err = 0;

	for (size_t i = 0; !err && i < sks_field_length(services); i++) {
		const struct json_object *service = json_object_array_get_idx(services, i);

		put_head(&flow, service);
		err = put_sockets(&flow, service) ?: put_bindings(&flow, service);
		put_list(&flow, "waiting for a listener:", sks_field(service, "waiting"));
		put_list(&flow, "left out:", sks_field(service, "left_out"));
	}
	return err;
}
