/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how the answer of `sksteerctl lookup` is told to a person. */
#include <stdio.h>
#include <string.h>

#include "field.h"
#include "lookup.h"
#include "spell.h"

#define MAX_LINES 12u /* of a kind; --json has all */

static void put_process(const struct json_object *socket)
{
	uint64_t pid = sks_field_number(socket, "pid");

	if (*sks_field_text(socket, "process"))
		sks_put_safely(stdout, sks_field_text(socket, "process"));
	else
		(void)fputs("a process that is not seen", stdout);
	if (pid)
		(void)printf(", pid %llu", (unsigned long long)pid);
}

/* 0.0.0.0:8080/tcp, listening, weight 100, nginx, pid 4711 */
static void put_socket(const char *lead, const struct json_object *socket)
{
	char listener[SKS_LISTENER_LEN];

	(void)printf("  %-9s", lead);
	sks_put_safely(stdout, sks_spell_listener(socket, listener));
	if (sks_field(socket, "state"))
		(void)printf(", %s, weight %llu", sks_field_text(socket, "state"),
			     (unsigned long long)sks_field_number(socket, "weight"));
	(void)fputs(", ", stdout);
	put_process(socket);
	if (sks_field(socket, "uid")) {
		(void)fputs(", user ", stdout);
		sks_put_user(stdout, (uint32_t)sks_field_number(socket, "uid"));
	}
	(void)putchar('\n');
}

static void put_sockets(const char *lead, const struct json_object *sockets)
{
	size_t n = sks_field_length(sockets);

	for (size_t i = 0; i < n && i < MAX_LINES; i++)
		put_socket(lead, json_object_array_get_idx(sockets, i));
	if (n > MAX_LINES)
		(void)printf("  %-9s... and %zu more\n", "", n - MAX_LINES);
}

/* The line that says it all. */
static void put_verdict(const struct json_object *answer, const char *place)
{
	const char *verdict = sks_field_text(answer, "verdict");
	const struct json_object *sockets = sks_field(answer, "sockets");
	const struct json_object *listeners = sks_field(answer, "listeners");
	const struct json_object *who = json_object_array_get_idx(sockets, 0);
	size_t n = sks_field_length(sockets);

	(void)printf("%s is %s", place, verdict);
	if (sks_field(answer, "service")) {
		(void)fputs(*verdict == 's' ? " to " : " by ", stdout);
		sks_put_safely(stdout, sks_field_text(sks_field(answer, "service"), "label"));
	}
	if (sks_field(answer, "overruled")) {
		(void)fputs(", but another program of this namespace decides: ", stdout);
		who = json_object_array_get_idx(listeners, 0);
		n = 1;
	} else if (sks_field(answer, "reason")) {
		(void)printf(": %s\n", sks_field_text(answer, "reason"));
		return;
	} else if (!n && !sks_field_length(listeners)) {
		(void)puts(", and nobody listens there");
		return;
	} else if (!n) {
		who = json_object_array_get_idx(listeners, 0);
		n = 1;
		(void)fputs(": it goes to ", stdout);
	} else {
		(void)fputs(": ", stdout);
	}
	if (n == 1)
		put_process(who);
	else
		(void)printf("one of %zu sockets, as the client's address and port decide", n);
	(void)putchar('\n');
}

static void put_service(const struct json_object *service)
{
	if (!service)
		return;
	(void)printf("  %-9s", "service");
	sks_put_safely(stdout, sks_field_text(service, "label"));
	(void)fputs(" of user ", stdout);
	sks_put_user(stdout, (uint32_t)sks_field_number(sks_field(service, "owner"), "uid"));
	(void)putchar('\n');
}

static void put_left_out(const struct json_object *left)
{
	if (!left)
		return;
	(void)printf("  %-9s%s of ", "left out", sks_field_text(left, "text"));
	sks_put_safely(stdout, sks_field_text(left, "label"));
	(void)putchar('\n');
}

/* Where the answer may be another one. */
static void put_interfaces(const struct json_object *interfaces)
{
	if (!sks_field_length(interfaces))
		return;
	(void)printf("  %-9s", "but at");
	for (size_t i = 0; i < sks_field_length(interfaces); i++) {
		(void)fputs(i ? ", " : "", stdout);
		sks_put_safely(stdout, sks_item_text(interfaces, i));
	}
	(void)puts(", where sockets of their own listen (ask for ADDR%INTERFACE)");
}

void sks_lookup_show(const struct sks_packet *packet, const struct json_object *answer)
{
	const char *verdict = sks_field_text(answer, "verdict");
	const struct json_object *binding = sks_field(answer, "binding");
	char place[SKS_LOOKUP_PLACELEN];
	bool passed = strcmp(verdict, "not steered") == 0 || sks_field(answer, "overruled");

	put_verdict(answer, sks_lookup_place(packet, place));
	put_service(sks_field(answer, "service"));
	if (binding)
		(void)printf("  %-9s%s\n", "binding", sks_field_text(binding, "text"));
	put_sockets("socket", sks_field(answer, "sockets"));
	put_interfaces(sks_field(answer, "interfaces"));
	put_left_out(sks_field(answer, "left_out"));
	put_sockets(passed ? "listener" : "shadows", sks_field(answer, "listeners"));
	if (sks_field(answer, "note"))
		(void)printf("  %-9s%s\n", "note", sks_field_text(answer, "note"));
}
