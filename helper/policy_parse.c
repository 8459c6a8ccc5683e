// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the reading of a policy file's text: sections, keys and values, and what is said of bad
 * ones. */
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <ini.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../common/text.h"
#include "policy_parse.h"
#include "policy_value.h"

#define QUOTED		SKS_POLICY_QUOTED
#define BLANKS		" \t\r\n\v\f"
#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* some editors put it before the text; inih skips it, too */

static const char *const key_names[] = {
	[SKS_POLICY_PORTS] = "ports",
	[SKS_POLICY_PREFIXES] = "prefixes",
	[SKS_POLICY_LABELS] = "labels",
	[SKS_POLICY_MAX_PORTS] = "max-ports",
	[SKS_POLICY_MAX_SOCKETS] = "max-sockets",
	[SKS_POLICY_MAX_LABELS] = "max-labels",
	[SKS_POLICY_ANY] = "any",
	[SKS_POLICY_WIDE] = "wide",
	[SKS_POLICY_SHADOW] = "shadow",
	[SKS_POLICY_SHARE] = "share",
};
_Static_assert(sizeof(key_names) / sizeof(*key_names) == SKS_POLICY_KEYS, "a name for each key");

#define KEY_NAMES                                                                         \
	"ports, prefixes, labels, max-ports, max-sockets, max-labels, any, wide, shadow " \
	"and share"

struct reading {
	struct sks_policy_file *file;
	const char *text; /* NUL-terminated */
	size_t pos;	  /* where the next line begins */
	unsigned int line;
	bool indented;	    /* the line: it continues the one before, if that has a key */
	char section[64];   /* without its brackets, as inih has it; empty before the first */
	int key;	    /* the one that an indented line continues; -1: none */
	unsigned int wrong; /* the line that why is about, or 0 */
	char *why;
};

const char *sks_policy_key_name(enum sks_policy_key key)
{
	return key_names[key];
}

/* The first complaint stays. 0: what an inih handler returns on failure. */
__attribute__((format(printf, 3, 4))) static int complain(struct reading *r, unsigned int line,
							  const char *format, ...)
{
	size_t len;
	va_list args;

	if (r->wrong)
		return 0;
	r->wrong = line;
	len = (size_t)snprintf(r->why, SKS_POLICY_WHY_SIZE, "%s:%u: ", r->file->path, line);
	if (len >= SKS_POLICY_WHY_SIZE)
		return 0;
	va_start(args, format);
	(void)vsnprintf(r->why + len, SKS_POLICY_WHY_SIZE - len, format, args);
	va_end(args);
	return 0;
}

/* What is said of so much text as it has; more is cut off, and it says so. Returns buf. */
static const char *quote(const char *text, size_t len, char buf[QUOTED + 4])
{
	(void)snprintf(buf, QUOTED + 4, "%.*s%s", (int)(len < QUOTED ? len : QUOTED), text,
		       len > QUOTED ? "..." : "");
	return buf;
}

/* A line without its end, which may be that of another system. */
static size_t line_length(const char *line)
{
	size_t len = strcspn(line, "\n");

	return len && line[len - 1] == '\r' ? len - 1 : len;
}

/* (uid_t)-1 and (gid_t)-1 are nobody's. */
static int find_number(const char *name, uint32_t *ret_id)
{
	return sks_uint_parse(name, strlen(name), UINT32_MAX - 1, ret_id);
}

static int find_user(const char *name, uint32_t *ret_uid)
{
	const struct passwd *user = getpwnam(name);

	if (!user)
		return find_number(name, ret_uid);
	*ret_uid = user->pw_uid;
	return 0;
}

static int find_group(const char *name, uint32_t *ret_gid)
{
	const struct group *group = getgrnam(name);

	if (!group)
		return find_number(name, ret_gid);
	*ret_gid = group->gr_gid;
	return 0;
}

/* Of which users, by what stands between the brackets. */
static int read_section(struct reading *r, struct sks_policy_section *section)
{
	const char *name = r->section;

	if (strcmp(name, "default") == 0) {
		section->of = SKS_POLICY_OF_ALL;
	} else if (strncmp(name, "user ", 5) == 0) {
		section->of = SKS_POLICY_OF_USER;
		if (find_user(name + 5, &section->id))
			return complain(r, r->line, "\"[%s]\": there is no such user", name);
	} else if (strncmp(name, "group ", 6) == 0) {
		section->of = SKS_POLICY_OF_GROUP;
		if (find_group(name + 6, &section->id))
			return complain(r, r->line, "\"[%s]\": there is no such group", name);
	} else {
		return complain(r, r->line,
				"\"[%s]\": no such section; there are [user NAME], [group NAME] "
				"and [default]",
				name);
	}
	return 1;
}

/* Also one without a key is looked at, which inih does not report. */
static void open_section(struct reading *r, const char *line)
{
	size_t len = strcspn(line, "]");
	const char *rest = line + len + (line[len] == ']');
	struct sks_policy_section *sections;
	char quoted[QUOTED + 4];

	rest += strspn(rest, BLANKS);
	r->key = -1;
	if (line[len] != ']' || (*rest && !strchr(";#", *rest)) || len > sizeof(r->section)) {
		(void)complain(r, r->line,
			       "\"%s\": a section is [user NAME], [group NAME] or [default], "
			       "alone in its line",
			       quote(line, line_length(line), quoted));
		return;
	}
	(void)snprintf(r->section, sizeof(r->section), "%.*s", (int)len - 1, line + 1);
	sections = sks_policy_append(r->file->sections, &r->file->n_sections, sizeof(*sections));
	if (!sections) {
		(void)complain(r, r->line, "\"[%s]\": %s", r->section, strerror(ENOMEM));
		return;
	}
	r->file->sections = sections;
	(void)read_section(r, &sections[r->file->n_sections - 1]);
}

/* As fgets(3) for inih, which cuts a line that is too long for it in two, and says no numbers. */
static char *next_line(char *buf, int size, void *stream)
{
	struct reading *r = stream;
	const char *line = r->text + r->pos;
	size_t len = strcspn(line, "\n");
	char quoted[QUOTED + 4];

	if (r->wrong || !*line)
		return NULL;
	r->line++;
	if (len > (size_t)size - 3) {
		(void)complain(r, r->line,
			       "\"%s\": more than %d characters; continue in an indented line",
			       quote(line, len, quoted), size - 3);
		return NULL;
	}
	r->pos += len + (line[len] == '\n');
	r->indented = isspace((unsigned char)*line);
	(void)snprintf(buf, (size_t)size, "%.*s\n", (int)len, line);
	if (*line == '[')
		open_section(r, buf);
	return r->wrong ? NULL : buf;
}

/* Twice in what is said of one user would be two chances to overlook one of them. */
static int begin_key(struct reading *r, int key, const char *value)
{
	static const char *const kinds[] = { "user ", "group ", "[default]" };
	struct sks_policy_section *own = &r->file->sections[r->file->n_sections - 1];
	char id[16] = "", quoted[QUOTED + 4];

	for (const struct sks_policy_section *s = r->file->sections; s <= own; s++) {
		if (s->of != own->of || s->id != own->id || !s->lines[key])
			continue;
		if (own->of != SKS_POLICY_OF_ALL)
			(void)snprintf(id, sizeof(id), "%u", own->id);
		return complain(r, r->line, "%s: \"%s\": %s%s has %s already, in line %u",
				key_names[key], quote(value, strlen(value), quoted), kinds[own->of],
				id, key_names[key], s->lines[key]);
	}
	own->lines[key] = r->line;
	r->key = key;
	return 1;
}

static int find_key(const char *name)
{
	int key = 0;

	while (key < SKS_POLICY_KEYS && strcmp(key_names[key], name) != 0)
		key++;
	return key;
}

static int on_key(void *stream, const char *section, const char *name, const char *value)
{
	struct reading *r = stream;
	char why[SKS_POLICY_WHY_SIZE], quoted[QUOTED + 4], of_name[QUOTED + 4];
	int key = find_key(name), err;
	bool again = r->indented && r->key >= 0;

	/* An indented section is one to inih, where no key has come before. */
	if (strcmp(section, r->section) != 0)
		return complain(r, r->line, "\"[%s]\": a section begins its line", section);
	if (!*section)
		return complain(r, r->line, "%s: \"%s\": before any section",
				quote(name, strlen(name), of_name),
				quote(value, strlen(value), quoted));
	if (key == SKS_POLICY_KEYS)
		return complain(r, r->line, "\"%s\": no such key; there are " KEY_NAMES,
				quote(name, strlen(name), of_name));
	if (!again && !begin_key(r, key, value))
		return 0;
	err = sks_policy_value_read(r->file, (enum sks_policy_key)key, r->line, value, again, why);
	if (err)
		return complain(r, r->line, "%s: %s", name, err == -EINVAL ? why : strerror(-err));
	return 1;
}

/* What inih took for neither a section nor a key. */
static void complain_syntax(struct reading *r, unsigned int line)
{
	const char *text = r->text;
	char quoted[QUOTED + 4];

	for (unsigned int i = 1; i < line; i++)
		text += strcspn(text, "\n") + 1;
	text += strspn(text, BLANKS);
	r->wrong = 0;
	(void)complain(r, line, "\"%s\": neither a section nor KEY = VALUE",
		       quote(text, line_length(text), quoted));
}

int sks_policy_parse(const char *text, struct sks_policy_file *file,
		     char ret_why[SKS_POLICY_WHY_SIZE])
{
	struct reading r = { .file = file, .text = text, .key = -1, .why = ret_why };
	int line;

	if (strncmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
		r.text += strlen(BYTE_ORDER_MARK);
	line = ini_parse_stream(next_line, &r, on_key, &r);

	/* inih goes on after an error, and returns the line of the first. */
	if (line > 0 && (!r.wrong || (unsigned int)line < r.wrong))
		complain_syntax(&r, (unsigned int)line);
	else if (line < 0 && !r.wrong)
		(void)complain(&r, r.line, "%s", strerror(ENOMEM));
	if (!r.wrong)
		return 0;
	sks_policy_file_free(file);
	for (char *c = ret_why; *c; c++)
		*c = *c >= ' ' && *c <= '~' ? *c : '?';
	return -EINVAL;
}
