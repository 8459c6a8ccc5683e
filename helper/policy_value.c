// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns what the value of a policy key may be, and what is said of any other. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/text.h"
#include "policy_value.h"

#define BLANKS " \t\r\n\v\f"

/* What a glob of labels is made of: a label's own characters, and what fnmatch(3) makes of these. */
#define GLOB_CHARACTERS                                                     \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-" \
	"*?[]!"

void *sks_policy_append(void *array, size_t *n, size_t size)
{
	if (!(*n & (*n - 1)))
		array = reallocarray(array, *n ? 2 * *n : 1, size);
	if (array) {
		memset((char *)array + *n * size, 0, size);
		++*n;
	}
	return array;
}

static int refuse(const char *value, size_t len, const char *what, char *ret_why)
{
	(void)snprintf(ret_why, SKS_POLICY_WHY_SIZE, "\"%.*s%s\": %s",
		       (int)(len < SKS_POLICY_QUOTED ? len : SKS_POLICY_QUOTED), value,
		       len > SKS_POLICY_QUOTED ? "..." : "", what);
	return -EINVAL;
}

/* NULL: no memory, and the file is as it was. */
static struct sks_policy_item *add_item(struct sks_policy_file *file, enum sks_policy_key key,
					unsigned int line)
{
	struct sks_policy_item *items =
		sks_policy_append(file->items, &file->n_items, sizeof(*items));
	struct sks_policy_item *item;

	if (!items)
		return NULL;
	file->items = items;
	item = &items[file->n_items - 1];
	item->section = file->n_sections - 1;
	item->line = line;
	item->key = (uint8_t)key;
	return item;
}

static int read_ports(struct sks_policy_file *file, unsigned int line, const char *value,
		      char *ret_why)
{
	struct sks_spec_cursor cursor = { .text = value, .len = strlen(value) };
	struct sks_policy_item *item;
	struct sks_spec_error error;
	struct sks_target target;
	int more;

	while ((more = sks_spec_next(&cursor, &target, &error)) > 0) {
		if (target.listener_port)
			more = sks_spec_refuse(&cursor, "a grant names no listener", &error);
		if (more < 0)
			break;
		item = add_item(file, SKS_POLICY_PORTS, line);
		if (!item)
			return -ENOMEM;
		item->target = target;
	}
	if (more < 0)
		(void)snprintf(ret_why, SKS_POLICY_WHY_SIZE, "%s", error.text);
	return more < 0 ? -EINVAL : 0;
}

static int read_prefix(const char *word, size_t len, struct sks_policy_item *item, char *ret_why)
{
	char why[SKS_PREFIX_WHYLEN];

	if (memchr(word, ',', len))
		return refuse(word, len, "prefixes are separated by blanks", ret_why);
	if (sks_prefix_parse(word, len, &item->prefix, why))
		return refuse(word, len, why, ret_why);
	return 0;
}

static int read_glob(const char *word, size_t len, struct sks_policy_item *item, char *ret_why)
{
	if (strspn(word, GLOB_CHARACTERS) < len)
		return refuse(word, len,
			      "labels are separated by blanks, and have letters, digits, \"_\", "
			      "\".\" and \"-\" (*, ? and [...] match them)",
			      ret_why);
	if (len > SKS_LABEL_MAX)
		return refuse(word, len, "no label has more than 63 characters", ret_why);
	memcpy(item->glob, word, len);
	return 0;
}

/* Words between blanks. */
static int read_words(struct sks_policy_file *file, enum sks_policy_key key, unsigned int line,
		      const char *value, char *ret_why)
{
	const char *word = value + strspn(value, BLANKS);
	int err = *word ? 0 : refuse("", 0, "nothing is named", ret_why);

	while (!err && *word) {
		struct sks_policy_item *item = add_item(file, key, line);
		size_t len = strcspn(word, BLANKS);

		if (!item)
			return -ENOMEM;
		err = key == SKS_POLICY_PREFIXES ? read_prefix(word, len, item, ret_why)
						 : read_glob(word, len, item, ret_why);
		word += len;
		word += strspn(word, BLANKS);
	}
	return err;
}

static int read_one(enum sks_policy_key key, const char *value, uint32_t *ret_value, char *ret_why)
{
	size_t len = strlen(value);

	if (key < SKS_POLICY_ANY) {
		if (sks_uint_parse(value, len, UINT32_MAX, ret_value))
			return refuse(value, len, "not a number from 0 to 4294967295", ret_why);
		return 0;
	}
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return refuse(value, len, "neither yes nor no", ret_why);
	*ret_value = *value == 'y';
	return 0;
}

int sks_policy_value_read(struct sks_policy_file *file, enum sks_policy_key key, unsigned int line,
			  const char *value, bool again, char ret_why[SKS_POLICY_WHY_SIZE])
{
	struct sks_policy_section *section = &file->sections[file->n_sections - 1];

	if (key == SKS_POLICY_PORTS)
		return read_ports(file, line, value, ret_why);
	if (key == SKS_POLICY_PREFIXES || key == SKS_POLICY_LABELS)
		return read_words(file, key, line, value, ret_why);
	if (again)
		return refuse(value, strlen(value), "it has one value, in one line", ret_why);
	return read_one(key, value, &section->values[key], ret_why);
}
