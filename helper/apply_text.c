// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the text of SKS_OP_APPLY (see apply_text.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply_text.h"

/* While the lines are gone through. */
struct reader {
	struct sks_listed listed;
	size_t rooms[2]; /* of labels, of targets */
	size_t line;	 /* from 1 on */
	struct sks_verdict *verdict;
};

static int refuse_more(const struct reader *reader, unsigned int most, const char *what)
{
	return sks_refuse(reader->verdict, -E2BIG, "line %zu: more than %u %s", reader->line, most,
			  what);
}

/* Room for one more record of that size in *list. */
static int make_room(void *list, size_t n, size_t *room, size_t size)
{
	void **at = list, *more;

	if (n < *room)
		return 0;
	*room = *room ? 2 * *room : 64;
	more = reallocarray(*at, *room, size);
	if (!more)
		return -ENOMEM;
	*at = more;
	return 0;
}

static int take_label(struct reader *reader, const char *name, size_t len)
{
	struct sks_listed *listed = &reader->listed;
	int err = make_room(&listed->labels, listed->n_labels, &reader->rooms[0],
			    sizeof(*listed->labels));

	if (err)
		return err;
	if (strlen(name) != len || !sks_label_is_valid(name))
		return sks_refuse(reader->verdict, -EINVAL, "line %zu: \"@\" and no label after it",
				  reader->line);
	if (listed->n_labels == SKS_MAX_SERVICES)
		return refuse_more(reader, SKS_MAX_SERVICES, "labels");
	listed->labels[listed->n_labels++] =
		(struct sks_listed_label){ .name = name, .service = SKS_NO_SERVICE };
	return 0;
}

static int take_target(struct reader *reader, const struct sks_target *target)
{
	struct sks_listed *listed = &reader->listed;
	char text[SKS_TARGET_STRLEN];
	int err = make_room(&listed->targets, listed->n_targets, &reader->rooms[1],
			    sizeof(*listed->targets));

	if (err)
		return err;
	if (!listed->n_labels)
		return sks_refuse(reader->verdict, -EINVAL, "line %zu: no label stands before %s",
				  reader->line, sks_target_format(target, text));
	if (target->listener_port)
		return sks_refuse(reader->verdict, -EINVAL,
				  "line %zu: %s: a binding of a label names no listener",
				  reader->line, sks_target_format(target, text));
	if (listed->n_targets == SKS_MAX_BINDINGS)
		return refuse_more(reader, SKS_MAX_BINDINGS, "bindings");
	listed->targets[listed->n_targets++] =
		(struct sks_listed_target){ *target, (uint32_t)listed->n_labels - 1 };
	return 0;
}

static int take_spec(struct reader *reader, const char *spec, size_t len)
{
	struct sks_spec_cursor cursor = { .text = spec, .len = len };
	struct sks_spec_error error;
	struct sks_target target;
	int r, err = 0;

	while (!err && (r = sks_spec_next(&cursor, &target, &error)) > 0)
		err = take_target(reader, &target);
	if (!err && r < 0)
		err = sks_refuse(reader->verdict, r, "line %zu: %s", reader->line, error.text);
	return err;
}

static int take_lines(struct reader *reader, char *text, size_t len)
{
	char *end = text + len;
	int err = 0;

	while (!err && text < end) {
		char *newline = memchr(text, '\n', (size_t)(end - text));

		reader->line++;
		if (!newline)
			return sks_refuse(reader->verdict, -EINVAL, "line %zu has no end",
					  reader->line);
		*newline = '\0';
		err = *text == '@' ? take_label(reader, text + 1, (size_t)(newline - text) - 1)
				   : take_spec(reader, text, (size_t)(newline - text));
		text = newline + 1;
	}
	return err;
}

/* Before they are sorted, the targets name them by their number. */
static int check_targets(struct reader *reader)
{
	struct sks_listed *listed = &reader->listed;
	char text[SKS_TARGET_STRLEN];
	size_t kept = 0;

	listed->finder = sks_finder_new(listed->n_targets);
	if (!listed->finder)
		return -ENOMEM;
	for (size_t i = 0; i < listed->n_targets; i++) {
		const struct sks_listed_target *target = &listed->targets[i];
		size_t same = sks_finder_add(listed->finder, &target->target);

		if (same && listed->targets[same - 1].label != target->label)
			return sks_refuse(reader->verdict, -EINVAL,
					  "%s is listed for \"%s\" and for \"%s\"",
					  sks_target_format(&target->target, text),
					  listed->labels[listed->targets[same - 1].label].name,
					  listed->labels[target->label].name);
		if (same)
			continue;
		listed->targets[kept++] = *target;
	}
	listed->n_targets = kept;
	return 0;
}

static int by_name(const void *pa, const void *pb)
{
	const struct sks_listed_label *a = pa, *b = pb;

	return strcmp(a->name, b->name);
}

/* The number that each had is in its service meanwhile. */
static int sort_labels(struct reader *reader)
{
	struct sks_listed *listed = &reader->listed;
	uint32_t *places = calloc(listed->n_labels + 1, sizeof(*places));

	if (!places)
		return -ENOMEM;
	for (size_t i = 0; i < listed->n_labels; i++)
		listed->labels[i].service = (uint16_t)i;
	if (listed->n_labels)
		qsort(listed->labels, listed->n_labels, sizeof(*listed->labels), by_name);
	for (size_t i = 0; i < listed->n_labels; i++) {
		places[listed->labels[i].service] = (uint32_t)i;
		listed->labels[i].service = SKS_NO_SERVICE;
	}
	for (size_t i = 0; i < listed->n_targets; i++)
		listed->targets[i].label = places[listed->targets[i].label];
	free(places);
	for (size_t i = 1; i < listed->n_labels; i++) {
		if (!by_name(&listed->labels[i - 1], &listed->labels[i]))
			return sks_refuse(reader->verdict, -EINVAL, "label \"%s\" is listed twice",
					  listed->labels[i].name);
	}
	return 0;
}

int sks_apply_parse(char *text, size_t len, struct sks_listed *ret_listed,
		    struct sks_verdict *verdict)
{
	struct reader reader = { .verdict = verdict };
	int err = take_lines(&reader, text, len);

	if (!err)
		err = check_targets(&reader) ?: sort_labels(&reader);
	if (!err) {
		*ret_listed = reader.listed;
		return 0;
	}
	sks_listed_free(&reader.listed);
	if (!verdict->err)
		(void)sks_refuse(verdict, err, "%s", strerror(-err));
	return err;
}

void sks_listed_free(struct sks_listed *listed)
{
	free(listed->labels);
	free(listed->targets);
	sks_finder_free(listed->finder);
	*listed = (struct sks_listed){};
}

struct sks_listed_label *sks_listed_find(const struct sks_listed *listed, const char *name)
{
	const struct sks_listed_label wanted = { .name = name };

	if (!listed->n_labels)
		return NULL;
	return bsearch(&wanted, listed->labels, listed->n_labels, sizeof(*listed->labels), by_name);
}
