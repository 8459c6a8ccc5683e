/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how a service of the report is put into words: the cells of its row in the table. */
#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../change.h"
#include "field.h"
#include "table.h"

/* At a glance; --json has all of it. */
#define MAX_LISTENERS 12u
#define MAX_PIDS      3u
#define MAX_GROUPS    12u
#define MAX_ITEMS     40u

/* What the other columns usually take; the list of ports gets the rest of the screen. */
#define OTHER_COLUMNS 64u
#define MIN_PORTS     20u
#define MAX_PORTS     80u

enum { LABEL, USER, LISTENS, PID, STEERED, CONNECTIONS };

/* Items with commas between them, broken into lines. */
struct list {
	FILE *to;
	size_t width, column;
	unsigned int n;
};

void sks_put_safely(FILE *to, const char *text)
{
	for (; *text; text++)
		(void)fputc(*text < ' ' || *text > '~' ? '?' : *text, to);
}

static void list_begin(struct list *list, const char *lead)
{
	sks_put_safely(list->to, lead);
	list->column += strlen(lead);
}

static void list_item(struct list *list, const char *item)
{
	size_t len = strlen(item);

	if (list->n++ >= MAX_ITEMS)
		return;
	if (list->n > 1) {
		(void)fputc(',', list->to);
		list->column++;
	}
	if (list->n > 1 && list->column + len >= list->width) {
		(void)fputs("\n  ", list->to);
		list->column = 2;
	}
	sks_put_safely(list->to, item);
	list->column += len;
}

static void put_more(FILE *to, size_t n, size_t max, const char *lead)
{
	if (n > max)
		(void)fprintf(to, "%s... and %zu more", lead, n - max);
}

void sks_put_user(FILE *to, uint64_t uid)
{
	const struct passwd *user = getpwuid((uid_t)uid);

	if (user)
		sks_put_safely(to, user->pw_name);
	else
		(void)fprintf(to, "%u", (uid_t)uid);
}

char *sks_spell_listener(const struct json_object *socket, char buf[SKS_LISTENER_STRLEN])
{
	const char *address = sks_field_text(socket, "address"), *format = "%s%s:%llu/%s";
	uint64_t ifindex = sks_field_number(socket, "ifindex");
	char interface[16] = "";

	if (strcmp(sks_field_text(socket, "family"), "dual") == 0 && strcmp(address, "::") == 0)
		address = "*";
	else if (strchr(address, ':'))
		format = "[%s%s]:%llu/%s";
	if (ifindex)
		(void)snprintf(interface, sizeof(interface), "%%%u", (unsigned int)ifindex);
	(void)snprintf(buf, SKS_LISTENER_STRLEN, format, address, interface,
		       (unsigned long long)sks_field_number(socket, "port"),
		       sks_field_text(socket, "protocol"));
	return buf;
}

/* What is to be said of a socket that does not just serve. Returns buf, which may be empty. */
static char *spell_note(const struct json_object *socket, char buf[32])
{
	const char *state = sks_field_text(socket, "state");
	uint64_t weight = sks_field_number(socket, "weight");

	*buf = '\0';
	if (strcmp(state, "standby") == 0 || strcmp(state, "replaced") == 0)
		(void)snprintf(buf, 32, "%s", state);
	else if (weight != SKS_WEIGHT)
		(void)snprintf(buf, 32, "weight %llu", (unsigned long long)weight);
	else if (strcmp(sks_field_text(socket, "answers"), "bound port") == 0)
		(void)snprintf(buf, 32, "answers from port %llu",
			       (unsigned long long)sks_field_number(socket, "port"));
	return buf;
}

/*
 * Sockets that only their process or nothing tells apart are one line:
 * {"LISTENER|NOTE": {PID: COUNT}}.
 */
static struct json_object *group_sockets(const struct json_object *sockets)
{
	struct json_object *groups = json_object_new_object(), *pids, *count;
	char key[192], listener[SKS_LISTENER_STRLEN], note[32], pid[24];

	for (size_t i = 0; groups && i < sks_field_length(sockets); i++) {
		const struct json_object *socket = json_object_array_get_idx(sockets, i);

		(void)snprintf(key, sizeof(key), "%s|%s", sks_spell_listener(socket, listener),
			       spell_note(socket, note));
		(void)snprintf(pid, sizeof(pid), "%llu",
			       (unsigned long long)sks_field_number(socket, "pid"));
		if (!json_object_object_get_ex(groups, key, &pids)) {
			pids = json_object_new_object();
			json_object_object_add(groups, key, pids);
		}
		if (json_object_object_get_ex(pids, pid, &count))
			(void)json_object_int_inc(count, 1);
		else
			json_object_object_add(pids, pid, json_object_new_int(1));
	}
	return groups;
}

static void put_pids(FILE *to, struct json_object *pids)
{
	size_t n = 0;

	json_object_object_foreach(pids, pid, count)
	{
		if (n++ >= MAX_PIDS)
			continue;
		(void)fprintf(to, "%s%s", n > 1 ? "," : "", pid);
		if (json_object_get_int(count) > 1)
			(void)fprintf(to, " (%d sockets)", json_object_get_int(count));
	}
	if (n > MAX_PIDS)
		(void)fprintf(to, ",+%zu", n - MAX_PIDS);
}

/* A label outlives its server, and its ports are refused meanwhile: nobody else gets them. */
static const char *say_down(const struct json_object *service)
{
	return sks_field_length(sks_field(service, "bindings")) ? "down (refusing)"
								: "no server yet";
}

static int put_sockets(FILE *listens, FILE *pids, const struct json_object *service)
{
	struct json_object *groups = group_sockets(sks_field(service, "sockets"));
	size_t n = 0;

	if (!groups)
		return -ENOMEM;
	if (!json_object_object_length(groups))
		(void)fputs(say_down(service), listens);
	json_object_object_foreach(groups, key, value)
	{
		const char *bar = strrchr(key, '|');
		char listener[SKS_LISTENER_STRLEN];

		if (n++ >= MAX_LISTENERS)
			continue;
		(void)snprintf(listener, sizeof(listener), "%.*s", (int)(bar - key), key);
		sks_put_safely(listens, listener);
		(void)fputc('\n', listens);
		put_pids(pids, value);
		if (bar[1])
			(void)fprintf(pids, " (%s)", bar + 1);
		(void)fputc('\n', pids);
	}
	put_more(listens, n, MAX_LISTENERS, "");
	json_object_put(groups);
	return 0;
}

/*
 * {"PREFIX|PROTOCOL": [PORTS, ...]}. The report begins with the longest prefixes, and different
 * prefixes of one length have no address in common: so what is gathered here wins in this order too.
 */
static struct json_object *group_bindings(const struct json_object *bindings)
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

/* Open on every address of both families: the grammar's "any". */
static bool is_any(const struct json_object *groups, const char *proto)
{
	struct json_object *v4, *v6;
	char key4[96], key6[96];

	(void)snprintf(key4, sizeof(key4), "0.0.0.0/0|%s", proto);
	(void)snprintf(key6, sizeof(key6), "[::/0]|%s", proto);
	return json_object_object_get_ex(groups, key4, &v4) &&
	       json_object_object_get_ex(groups, key6, &v6) && json_object_equal(v4, v6);
}

static void put_group(FILE *to, const char *where, const char *proto,
		      const struct json_object *ports, size_t width)
{
	struct list list = { .to = to, .width = width };
	const char *last = "";

	list_begin(&list, where);
	list_begin(&list, ":");
	for (size_t i = 0; i < sks_field_length(ports); i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(ports, i));

		/* 80 and any:80 of a wildcard listener are the same. */
		if (strcmp(text, last) != 0)
			list_item(&list, text);
		last = text;
	}
	(void)fputc('/', to);
	sks_put_safely(to, proto);
	put_more(to, list.n, MAX_ITEMS, "\n  ");
	(void)fputc('\n', to);
}

static int put_bindings(FILE *to, const struct json_object *service, size_t width)
{
	struct json_object *groups = group_bindings(sks_field(service, "bindings"));
	size_t n = 0;

	if (!groups)
		return -ENOMEM;
	json_object_object_foreach(groups, key, ports)
	{
		const char *bar = strchr(key, '|'), *proto = bar + 1;
		bool wildcard = strncmp(key, "0.0.0.0/0|", 10) == 0 ||
				strncmp(key, "[::/0]|", 7) == 0;
		bool any = wildcard && is_any(groups, proto);
		char where[96];

		if (any && *key == '[') /* its twin said it */
			continue;
		(void)snprintf(where, sizeof(where), "%.*s", (int)(bar - key), key);
		if (n++ < MAX_GROUPS)
			put_group(to, any ? "any" : where, proto, ports, width);
	}
	if (!n)
		(void)fputc('-', to);
	put_more(to, n, MAX_GROUPS, "");
	json_object_put(groups);
	return 0;
}

/* A datagram counts as a connection: the program can't tell them apart better. */
static void put_counters(FILE *to, const struct json_object *service)
{
	const struct json_object *counters = sks_field(service, "counters");
	uint64_t refused = sks_field_number(counters, "refused"),
		 errors = sks_field_number(counters, "errors");

	(void)fprintf(to, "%llu", (unsigned long long)sks_field_number(counters, "steered"));
	if (refused)
		(void)fprintf(to, ", %llu refused", (unsigned long long)refused);
	if (errors)
		(void)fprintf(to, ", %llu failed", (unsigned long long)errors);
}

static void put_waiting(FILE *to, const struct json_object *waiting, size_t width)
{
	struct list list = { .to = to, .width = width };

	if (!sks_field_length(waiting))
		return;
	list_begin(&list, "waiting for a listener: ");
	for (size_t i = 0; i < sks_field_length(waiting); i++)
		list_item(&list, sks_item_text(waiting, i));
	put_more(to, list.n, MAX_ITEMS, " ");
	(void)fputc('\n', to);
}

static void put_left_out(FILE *to, const struct json_object *left_out, size_t width)
{
	struct list list = { .to = to, .width = width };
	char text[64];

	if (!sks_field_length(left_out))
		return;
	list_begin(&list, "left out: ");
	for (size_t i = 0; i < sks_field_length(left_out); i++) {
		const struct json_object *entry = json_object_array_get_idx(left_out, i);
		bool udp = strcmp(sks_field_text(entry, "protocol"), "udp") == 0;

		(void)snprintf(text, sizeof(text), "%s%s", sks_field_text(entry, "ports"),
			       udp ? "/udp" : "");
		list_item(&list, text);
	}
	put_more(to, list.n, MAX_ITEMS, " ");
	(void)fputc('\n', to);
}

static size_t ports_width(size_t screen)
{
	if (screen < OTHER_COLUMNS + MIN_PORTS)
		return MIN_PORTS;
	return screen > OTHER_COLUMNS + MAX_PORTS ? MAX_PORTS : screen - OTHER_COLUMNS;
}

static int fill(FILE *cells[SKS_TABLE_COLUMNS], FILE *notes, const struct json_object *service,
		size_t screen)
{
	int err;

	sks_put_safely(cells[LABEL], sks_field_text(service, "label"));
	sks_put_user(cells[USER], sks_field_number(sks_field(service, "owner"), "uid"));
	err = put_sockets(cells[LISTENS], cells[PID], service);
	if (!err)
		err = put_bindings(cells[STEERED], service, ports_width(screen));
	put_counters(cells[CONNECTIONS], service);
	put_waiting(notes, sks_field(service, "waiting"), screen - 4);
	put_left_out(notes, sks_field(service, "left_out"), screen - 4);
	return err;
}

int sks_row_fill(struct sks_row *row, const struct json_object *service, size_t screen)
{
	char *texts[SKS_TABLE_COLUMNS + 1] = { 0 };
	FILE *files[SKS_TABLE_COLUMNS + 1] = { 0 };
	size_t sizes[SKS_TABLE_COLUMNS + 1];
	int err = 0;

	for (size_t i = 0; i <= SKS_TABLE_COLUMNS; i++) {
		files[i] = open_memstream(&texts[i], &sizes[i]);
		err = files[i] ? err : -ENOMEM;
	}
	if (!err)
		err = fill(files, files[SKS_TABLE_COLUMNS], service, screen);
	for (size_t i = 0; i <= SKS_TABLE_COLUMNS; i++) {
		if (files[i] && fclose(files[i]))
			err = -ENOMEM;
	}
	for (size_t i = 0; i < SKS_TABLE_COLUMNS; i++)
		row->cells[i] = texts[i];
	row->notes = texts[SKS_TABLE_COLUMNS];
	return err;
}

void sks_row_free(struct sks_row *row)
{
	for (size_t i = 0; i < SKS_TABLE_COLUMNS; i++)
		free(row->cells[i]);
	free(row->notes);
}
