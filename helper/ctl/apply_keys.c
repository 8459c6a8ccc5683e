/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the keys of the objects in a bindings file (see apply_json.h). */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../../common/text.h"
#include "apply_json.h"

#define MAX_DEPTH 64 /* beyond what the parser takes */

/* Of the objects at that depth: the file itself, and its services. */
static const struct {
	size_t depth;
	const char *names[2];
	const char *all;
} known[] = {
	{ 1, { "services", NULL }, "\"services\"" },
	{ 3, { "label", "bindings" }, "\"label\" or \"bindings\"" },
};

struct scan {
	const char *text, *end;
	size_t line, depth;
	uint8_t seen[MAX_DEPTH + 1]; /* by depth: which keys the innermost object has had */
	char *why;
};

char *sks_apply_quote(const char *s, size_t len, char buf[SKS_QUOTELEN])
{
	size_t most = SKS_QUOTELEN - sizeof("\"\"..."), n = len < most ? len : most;
	struct sks_text text;

	sks_text_init(&text, buf, SKS_QUOTELEN);
	sks_text_char(&text, '"');
	for (size_t i = 0; i < n; i++)
		sks_text_char(&text, s[i] >= ' ' && s[i] <= '~' ? s[i] : '?');
	sks_text_str(&text, len > most ? "...\"" : "\"");
	return buf;
}

static int complain(const struct scan *scan, const char *key, size_t len, const char *why,
		    const char *more)
{
	char quoted[SKS_QUOTELEN];

	(void)snprintf(scan->why, SKS_APPLY_WHYLEN, "line %zu: %s %s%s", scan->line,
		       sks_apply_quote(key, len, quoted), why, more);
	return -EINVAL;
}

/* An object elsewhere is of the wrong type, which is said later. */
static int take_key(struct scan *scan, const char *key, size_t len)
{
	size_t i = 0;

	while (i < sizeof(known) / sizeof(*known) && known[i].depth != scan->depth)
		i++;
	if (i == sizeof(known) / sizeof(*known))
		return 0;
	for (unsigned int k = 0; k < 2 && known[i].names[k]; k++) {
		if (len != strlen(known[i].names[k]) || memcmp(key, known[i].names[k], len) != 0)
			continue;
		if (scan->seen[scan->depth] & 1u << k)
			return complain(scan, key, len, "stands twice in one object", "");
		scan->seen[scan->depth] |= (uint8_t)(1u << k);
		return 0;
	}
	return complain(scan, key, len, "is no key there: it is ", known[i].all);
}

/* From behind its first quote to behind its last one. */
static int take_string(struct scan *scan)
{
	const char *begin = scan->text, *next;
	size_t lines = 0;
	int err = 0;

	for (; scan->text < scan->end && *scan->text != '"'; scan->text++) {
		lines += *scan->text == '\n';
		scan->text += *scan->text == '\\';
	}
	next = scan->text + 1;
	while (next < scan->end && strchr(" \t\r\n", *next))
		next++;
	if (next < scan->end && *next == ':')
		err = take_key(scan, begin, (size_t)(scan->text - begin));
	scan->text++;
	scan->line += lines;
	return err;
}

int sks_apply_keys_check(const char *text, size_t len, char ret_why[SKS_APPLY_WHYLEN])
{
	struct scan scan = { .text = text, .end = text + len, .line = 1, .why = ret_why };
	int err = 0;

	while (!err && scan.text < scan.end) {
		char c = *scan.text++;

		if (c == '\n') {
			scan.line++;
		} else if (c == '"') {
			err = take_string(&scan);
		} else if (c == '\'') {
			err = complain(&scan, "'", 1, "is no quotation mark of JSON", "");
		} else if ((c == '{' || c == '[') && scan.depth < MAX_DEPTH) {
			scan.seen[++scan.depth] = 0;
		} else if ((c == '}' || c == ']') && scan.depth) {
			scan.depth--;
		}
	}
	return err;
}
