/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the file of `sksteerctl apply`: judged, and written as the helper reads it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/maps.h"
#include "../finder.h"
#include "apply_file.h"
#include "apply_json.h"

/* A target, and where in the file it stands, counted from 1. */
struct placed {
	struct sks_target target;
	size_t service, binding;
};

struct reader {
	const char *name; /* of the file, for people */
	struct json_object *services;
	struct placed *placed;
	size_t n, room;
};

/* --- types ------------------------------------------------------------------------------------ */

static const char *kind_of(const struct json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_boolean:
		return "a boolean";
	case json_type_double:
	case json_type_int:
		return "a number";
	case json_type_object:
		return "an object";
	case json_type_array:
		return "an array";
	default:
		return "null";
	}
}

/* what: where it is. */
static int complain_type(const struct reader *reader, const char *what, struct json_object *value,
			 const char *wanted)
{
	char quoted[SKS_QUOTELEN];

	switch (json_object_get_type(value)) {
	case json_type_string:
		return sks_apply_complain(reader->name, "%s: %s is a string, not %s", what,
					  sks_apply_quote(json_object_get_string(value),
							  (size_t)json_object_get_string_len(value),
							  quoted),
					  wanted);
	case json_type_boolean:
	case json_type_double:
	case json_type_int:
		return sks_apply_complain(reader->name, "%s: %s is %s, not %s", what,
					  json_object_to_json_string(value), kind_of(value),
					  wanted);
	default:
		return sks_apply_complain(reader->name, "%s is %s, not %s", what, kind_of(value),
					  wanted);
	}
}

static int check_type(const struct reader *reader, const char *what, struct json_object *value,
		      enum json_type type, const char *wanted)
{
	return json_object_is_type(value, type) ? 0 : complain_type(reader, what, value, wanted);
}

/* --- what it lists ---------------------------------------------------------------------------- */

static struct json_object *service_of(const struct reader *reader, size_t service)
{
	return json_object_array_get_idx(reader->services, service - 1);
}

static const char *label_of(const struct reader *reader, size_t service)
{
	return json_object_get_string(json_object_object_get(service_of(reader, service), "label"));
}

static int check_label(const struct reader *reader, size_t service)
{
	struct json_object *object = service_of(reader, service), *label;
	char what[64], quoted[SKS_QUOTELEN];
	const char *text;
	size_t len;

	(void)snprintf(what, sizeof(what), "service %zu", service);
	if (check_type(reader, what, object, json_type_object, "an object"))
		return -EINVAL;
	if (!json_object_object_get_ex(object, "label", &label))
		return sks_apply_complain(reader->name, "service %zu has no \"label\"", service);
	(void)snprintf(what, sizeof(what), "service %zu: \"label\"", service);
	if (check_type(reader, what, label, json_type_string, "a string"))
		return -EINVAL;
	text = json_object_get_string(label);
	len = (size_t)json_object_get_string_len(label);
	if (strlen(text) == len && sks_label_is_valid(text))
		return 0;
	return sks_apply_complain(
		reader->name,
		"service %zu: %s is not a label: a letter or digit, then up to %u letters, "
		"digits, \"_\", \".\" or \"-\"",
		service, sks_apply_quote(text, len, quoted), SKS_LABEL_MAX - 1);
}

static int complain_binding(const struct reader *reader, size_t service, size_t binding,
			    const char *why)
{
	return sks_apply_complain(reader->name, "service %zu (\"%s\"), binding %zu: %s", service,
				  label_of(reader, service), binding, why);
}

static int place(struct reader *reader, const struct placed *placed)
{
	size_t room = reader->room ? 2 * reader->room : 1024;
	struct placed *more;

	if (reader->n == reader->room) {
		more = reallocarray(reader->placed, room, sizeof(*more));
		if (!more)
			return sks_apply_complain(reader->name, "%s", strerror(ENOMEM));
		reader->placed = more;
		reader->room = room;
	}
	reader->placed[reader->n++] = *placed;
	return 0;
}

static int read_clause(struct reader *reader, size_t service, size_t binding, const char *clause,
		       size_t len)
{
	struct sks_spec_cursor cursor = { .text = clause, .len = len };
	struct placed placed = { .service = service, .binding = binding };
	struct sks_spec_error error;
	char quoted[SKS_QUOTELEN], why[SKS_QUOTELEN + 64];
	int r;

	if (memchr(clause, ';', len)) {
		(void)snprintf(why, sizeof(why), "%s is more than one clause: each is a binding",
			       sks_apply_quote(clause, len, quoted));
		return complain_binding(reader, service, binding, why);
	}
	while ((r = sks_spec_next(&cursor, &placed.target, &error)) > 0) {
		if (placed.target.listener_port)
			r = sks_spec_refuse(&cursor,
					    "a binding of a label names no listener: only a "
					    "server's own spec may",
					    &error);
		if (r < 0)
			break;
		if (place(reader, &placed))
			return -EINVAL;
	}
	return r < 0 ? complain_binding(reader, service, binding, error.text) : 0;
}

static int read_bindings(struct reader *reader, size_t service)
{
	const char *label = label_of(reader, service);
	struct json_object *bindings;
	char what[160];
	int err = 0;

	if (!json_object_object_get_ex(service_of(reader, service), "bindings", &bindings))
		return sks_apply_complain(reader->name, "service %zu (\"%s\") has no \"bindings\"",
					  service, label);
	(void)snprintf(what, sizeof(what), "service %zu (\"%s\"): \"bindings\"", service, label);
	if (check_type(reader, what, bindings, json_type_array, "an array"))
		return -EINVAL;
	for (size_t i = 0; !err && i < json_object_array_length(bindings); i++) {
		struct json_object *clause = json_object_array_get_idx(bindings, i);

		(void)snprintf(what, sizeof(what), "service %zu (\"%s\"), binding %zu", service,
			       label, i + 1);
		err = check_type(reader, what, clause, json_type_string, "a string")
			      ?: read_clause(reader, service, i + 1, json_object_get_string(clause),
					     (size_t)json_object_get_string_len(clause));
	}
	return err;
}

static int read_services(struct reader *reader, struct json_object *file, bool may_be_empty)
{
	size_t n;
	int err = check_type(reader, "the file", file, json_type_object, "an object");

	if (err)
		return err;
	if (!json_object_object_get_ex(file, "services", &reader->services))
		return sks_apply_complain(reader->name, "it has no \"services\"");
	err = check_type(reader, "\"services\"", reader->services, json_type_array, "an array");
	if (err)
		return err;
	n = json_object_array_length(reader->services);
	if (!n && !may_be_empty)
		return sks_apply_complain(reader->name,
					  "it lists no service, which would unbind all that you "
					  "have: --allow-empty does that");
	if (n > SKS_MAX_SERVICES)
		return sks_apply_complain(reader->name,
					  "it lists %zu services, and a namespace has room for %u",
					  n, SKS_MAX_SERVICES);
	for (size_t i = 1; !err && i <= n; i++)
		err = check_label(reader, i) ?: read_bindings(reader, i);
	return err;
}

/* --- what may be there once ------------------------------------------------------------------- */

struct named {
	const char *label;
	size_t service;
};

static int by_label(const void *pa, const void *pb)
{
	const struct named *a = pa, *b = pb;

	return strcmp(a->label, b->label) ?: (a->service > b->service) - (a->service < b->service);
}

static int check_labels(const struct reader *reader)
{
	size_t n = json_object_array_length(reader->services);
	struct named *named = calloc(n + 1, sizeof(*named));
	int err = 0;

	if (!named)
		return sks_apply_complain(reader->name, "%s", strerror(ENOMEM));
	for (size_t i = 0; i < n; i++)
		named[i] = (struct named){ label_of(reader, i + 1), i + 1 };
	qsort(named, n, sizeof(*named), by_label);
	for (size_t i = 1; !err && i < n; i++) {
		if (strcmp(named[i - 1].label, named[i].label) == 0)
			err = sks_apply_complain(
				reader->name,
				"service %zu: \"%s\" is the label of service %zu, too",
				named[i].service, named[i].label, named[i - 1].service);
	}
	free(named);
	return err;
}

static int complain_twice(const struct reader *reader, const struct placed *one,
			  const struct placed *other)
{
	char text[SKS_TARGET_STRLEN], why[SKS_TARGET_STRLEN + SKS_LABEL_MAX + 96];

	(void)snprintf(why, sizeof(why),
		       "\"%s\" is given to service %zu (\"%s\") by its binding %zu",
		       sks_target_format(&other->target, text), one->service,
		       label_of(reader, one->service), one->binding);
	return complain_binding(reader, other->service, other->binding, why);
}

/* Drops what a service lists twice. */
static int check_targets(struct reader *reader)
{
	struct sks_finder *finder = sks_finder_new(reader->n);
	size_t kept = 0;
	int err = 0;

	if (!finder)
		return sks_apply_complain(reader->name, "%s", strerror(ENOMEM));
	for (size_t i = 0; !err && i < reader->n; i++) {
		const struct placed *placed = &reader->placed[i];
		size_t same = sks_finder_add(finder, &placed->target);

		if (!same)
			reader->placed[kept++] = *placed;
		else if (reader->placed[same - 1].service != placed->service)
			err = complain_twice(reader, &reader->placed[same - 1], placed);
	}
	reader->n = kept;
	sks_finder_free(finder);
	return err;
}

static int write_text(const struct reader *reader, char **ret_text, size_t *ret_len)
{
	FILE *text = open_memstream(ret_text, ret_len);
	char buf[SKS_TARGET_STRLEN];
	size_t at = 0;
	bool failed;

	if (!text)
		return sks_apply_complain(reader->name, "%s", strerror(errno));
	for (size_t i = 1; i <= json_object_array_length(reader->services); i++) {
		(void)fprintf(text, "@%s\n", label_of(reader, i));
		for (; at < reader->n && reader->placed[at].service == i; at++)
			(void)fprintf(text, "%s\n",
				      sks_target_format(&reader->placed[at].target, buf));
	}
	failed = ferror(text);
	if (!fclose(text) && !failed)
		return 0;
	free(*ret_text);
	return sks_apply_complain(reader->name, "%s", strerror(ENOMEM));
}

int sks_apply_file_read(const char *path, bool may_be_empty, char **ret_text, size_t *ret_len)
{
	struct reader reader = { .name = strcmp(path, "-") == 0 ? "standard input" : path };
	struct json_object *file;
	int err = sks_apply_json_read(reader.name, path, &file);

	if (err)
		return err;
	err = read_services(&reader, file, may_be_empty) ?: check_labels(&reader)
		      ?: check_targets(&reader) ?: write_text(&reader, ret_text, ret_len);
	json_object_put(file);
	free(reader.placed);
	return err;
}
