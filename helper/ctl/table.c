/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the layout of the table: columns that are as wide as what is in them. */
#include "table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define GAP	       2
#define DEFAULT_SCREEN 100 /* of what is no terminal */
#define MIN_SCREEN     40

static size_t widest_line(const char *text)
{
	size_t widest = 0, len;

	while (text && *text) {
		len = strcspn(text, "\n");
		widest = len > widest ? len : widest;
		text += len + (text[len] == '\n');
	}
	return widest;
}

/* Cuts the first line off *text; its length, 0 when there is none left. */
static size_t next_line(const char **text, const char **ret_line)
{
	size_t len = *text ? strcspn(*text, "\n") : 0;

	*ret_line = *text;
	if (*text)
		*text += len + ((*text)[len] == '\n');
	return len;
}

/* One line of each column. False: no column has any left. */
static bool print_line(FILE *to, const char *texts[SKS_TABLE_COLUMNS],
		       const size_t widths[SKS_TABLE_COLUMNS])
{
	size_t due = 0; /* blanks are printed only before something */
	bool any = false;
	const char *line;

	for (size_t i = 0; i < SKS_TABLE_COLUMNS; i++)
		any |= texts[i] && *texts[i];
	for (size_t i = 0; any && i < SKS_TABLE_COLUMNS; i++) {
		size_t len = next_line(&texts[i], &line);

		if (len) {
			(void)fprintf(to, "%*s%.*s", (int)due, "", (int)len, line);
			due = 0;
		}
		due += widths[i] - len + GAP;
	}
	if (any)
		(void)fputc('\n', to);
	return any;
}

static void print_notes(FILE *to, const char *notes)
{
	const char *line;

	while (notes && *notes) {
		size_t len = next_line(&notes, &line);

		(void)fprintf(to, "%*s%.*s\n", GAP, "", (int)len, line);
	}
}

void sks_table_print(FILE *to, const char *const heads[SKS_TABLE_COLUMNS],
		     const struct sks_row *rows, size_t n)
{
	const char *texts[SKS_TABLE_COLUMNS];
	size_t widths[SKS_TABLE_COLUMNS];

	for (size_t i = 0; i < SKS_TABLE_COLUMNS; i++) {
		texts[i] = heads[i];
		widths[i] = strlen(heads[i]);
		for (size_t k = 0; k < n; k++) {
			size_t width = widest_line(rows[k].cells[i]);

			widths[i] = width > widths[i] ? width : widths[i];
		}
	}
	(void)print_line(to, texts, widths);
	for (size_t k = 0; k < n; k++) {
		for (size_t i = 0; i < SKS_TABLE_COLUMNS; i++)
			texts[i] = rows[k].cells[i];
		while (print_line(to, texts, widths))
			;
		print_notes(to, rows[k].notes);
	}
}

static size_t screen_width(FILE *to)
{
	struct winsize size;

	if (ioctl(fileno(to), TIOCGWINSZ, &size) || !size.ws_col)
		return DEFAULT_SCREEN;
	return size.ws_col < MIN_SCREEN ? MIN_SCREEN : size.ws_col;
}

int sks_table_services(FILE *to, const struct json_object *services)
{
	static const char *const heads[SKS_TABLE_COLUMNS] = { "LABEL",	       "USER",
							      "LISTENS",       "PID",
							      "STEERED TO IT", "CONNECTIONS" };
	size_t n = json_object_array_length(services), screen = screen_width(to);
	struct sks_row *rows = calloc(n ? n : 1, sizeof(*rows));
	int err = rows ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < n; i++)
		err = sks_row_fill(&rows[i], json_object_array_get_idx(services, i), screen);
	if (!err)
		sks_table_print(to, heads, rows, n);
	for (size_t i = 0; rows && i < n; i++)
		sks_row_free(&rows[i]);
	free(rows);
	return err;
}
