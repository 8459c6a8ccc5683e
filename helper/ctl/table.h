/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the table that a person reads: what `status` prints without --json. */
#ifndef SKSTEER_CTL_TABLE_H
#define SKSTEER_CTL_TABLE_H

#include <json-c/json.h>
#include <stddef.h>
#include <stdio.h>

#define SKS_TABLE_COLUMNS 6

/* Texts of several lines, malloc'd; NULL: none. */
struct sks_row {
	char *cells[SKS_TABLE_COLUMNS];
	char *notes; /* lines below the row */
};

/* Every column as wide as its widest line. */
void sks_table_print(FILE *to, const char *const heads[SKS_TABLE_COLUMNS],
		     const struct sks_row *rows, size_t n);

/* Puts a service of the report into words, for a screen so many columns wide. 0 or -ENOMEM. */
int sks_row_fill(struct sks_row *row, const struct json_object *service, size_t screen);
void sks_row_free(struct sks_row *row);

/* What others named must not reach a terminal as a command to it. */
void sks_put_safely(FILE *to, const char *text);
/* One of the report's sockets as ss(8) writes it: *:80/tcp accepts both families. Returns buf. */
#define SKS_LISTENER_STRLEN 128
char *sks_spell_listener(const struct json_object *socket, char buf[SKS_LISTENER_STRLEN]);
/* The user's name, or number. */
void sks_put_user(FILE *to, uint64_t uid);

/* Prints the "services" of a report. 0 or -ENOMEM. */
int sks_table_services(FILE *to, const struct json_object *services);

#endif
