/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how single things of a report are written for people (see spell.h). */
#include "spell.h"

#include <pwd.h>
#include <string.h>

#include "field.h"

void sks_put_safely(FILE *to, const char *text)
{
	for (; *text; text++)
		(void)fputc(*text < ' ' || *text > '~' ? '?' : *text, to);
}

void sks_put_user(FILE *to, uint32_t uid)
{
	const struct passwd *user = getpwuid(uid);

	if (user)
		sks_put_safely(to, user->pw_name);
	else
		(void)fprintf(to, "%u", uid);
}

char *sks_spell_listener(const struct json_object *socket, char buf[SKS_LISTENER_LEN])
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
	(void)snprintf(buf, SKS_LISTENER_LEN, format, address, interface,
		       (unsigned long long)sks_field_number(socket, "port"),
		       sks_field_text(socket, "protocol"));
	return buf;
}
