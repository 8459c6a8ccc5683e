/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns which numbers of a report are one time series (see series.h). */
#include "series.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "field.h"

const char *const sks_family_names[SKS_FAMILY_NAMES] = { "ipv4", "ipv6", "dual" };
const char *const sks_reason_names[SKS_REASON_NAMES] = { "not_receiving", "another_program",
							 "other" };
static const char *const protocols[] = { "tcp", "udp" };

struct list {
	struct sks_series *series;
	size_t n, room;
};

/* Where it is none of them, the first. */
static size_t family_of(const char *name)
{
	size_t i = SKS_FAMILY_NAMES - 1;

	while (i && strcmp(sks_family_names[i], name) != 0)
		i--;
	return i;
}

static void count_sockets(struct sks_series *series, const struct json_object *sockets)
{
	for (size_t i = 0; i < sks_field_length(sockets); i++) {
		const struct json_object *socket = json_object_array_get_idx(sockets, i);

		if (strcmp(sks_field_text(socket, "protocol"), series->proto) == 0)
			series->sockets[family_of(sks_field_text(socket, "family"))]++;
	}
}

static void count_bindings(struct sks_series *series, const struct json_object *bindings)
{
	for (size_t i = 0; i < sks_field_length(bindings); i++) {
		const struct json_object *binding = json_object_array_get_idx(bindings, i);
		bool v6 = strchr(sks_field_text(binding, "prefix"), ':');

		if (strcmp(sks_field_text(binding, "protocol"), series->proto) == 0)
			series->bindings[v6 ? SKS_IPV6 : SKS_IPV4]++;
	}
}

static void take_counters(struct sks_series *series, const struct json_object *parts)
{
	for (size_t i = 0; i < sks_field_length(parts); i++) {
		const struct json_object *part = json_object_array_get_idx(parts, i);
		const struct json_object *reasons = sks_field(part, "reasons");
		size_t family = family_of(sks_field_text(part, "family"));

		if (strcmp(sks_field_text(part, "protocol"), series->proto) != 0 ||
		    family == SKS_DUAL)
			continue;
		series->steered[family] += sks_field_number(part, "steered");
		series->refused[family] += sks_field_number(part, "refused");
		for (size_t k = 0; k < SKS_REASON_NAMES; k++)
			series->errors[family][k] += sks_field_number(reasons, sks_reason_names[k]);
	}
}

static bool has_anything(const struct sks_series *series)
{
	const struct sks_series nothing = {
		.netns = series->netns,
		.uid = series->uid,
		.service = series->service,
		.proto = series->proto,
	};

	return memcmp(&nothing, series, sizeof(nothing)) != 0;
}

static int add(struct list *list, const struct sks_series *series)
{
	size_t room = list->room ? 2 * list->room : 64;
	struct sks_series *more;

	if (list->n == list->room) {
		more = reallocarray(list->series, room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		list->series = more;
		list->room = room;
	}
	list->series[list->n++] = *series;
	return 0;
}

static int gather_service(struct list *list, uint64_t netns, const struct json_object *service)
{
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(protocols) / sizeof(*protocols); i++) {
		struct sks_series series;

		memset(&series, 0, sizeof(series)); /* padding is compared, too */
		series.netns = netns;
		series.uid = (uint32_t)sks_field_number(sks_field(service, "owner"), "uid");
		series.service = sks_field_text(service, "label");
		series.proto = protocols[i];
		count_sockets(&series, sks_field(service, "sockets"));
		count_bindings(&series, sks_field(service, "bindings"));
		take_counters(&series, sks_field(sks_field(service, "counters"), "parts"));
		if (has_anything(&series))
			err = add(list, &series);
	}
	return err;
}

static int gather_namespace(struct list *list, const struct json_object *report)
{
	const struct json_object *services = sks_field(report, "services");
	int err = 0;

	for (size_t i = 0; !err && i < sks_field_length(services); i++)
		err = gather_service(list, sks_field_number(report, "namespace"),
				     json_object_array_get_idx(services, i));
	return err;
}

static int by_name(const void *pa, const void *pb)
{
	const struct sks_series *a = pa, *b = pb;

	if (a->netns != b->netns)
		return a->netns < b->netns ? -1 : 1;
	if (a->uid != b->uid)
		return a->uid < b->uid ? -1 : 1;
	return strcmp(a->service, b->service) ?: strcmp(a->proto, b->proto);
}

static void add_up(struct sks_series *sum, const struct sks_series *one)
{
	for (size_t i = 0; i < SKS_DUAL; i++) {
		sum->steered[i] += one->steered[i];
		sum->refused[i] += one->refused[i];
		sum->bindings[i] += one->bindings[i];
		for (size_t k = 0; k < SKS_REASON_NAMES; k++)
			sum->errors[i][k] += one->errors[i][k];
	}
	for (size_t i = 0; i < SKS_FAMILY_NAMES; i++)
		sum->sockets[i] += one->sockets[i];
}

/* A process that executes another program under its own name has two services @COMM-PID. */
static void merge(struct list *list)
{
	size_t kept = 0;

	if (!list->n)
		return;
	qsort(list->series, list->n, sizeof(*list->series), by_name);
	for (size_t i = 1; i < list->n; i++) {
		if (by_name(&list->series[kept], &list->series[i]) == 0)
			add_up(&list->series[kept], &list->series[i]);
		else
			list->series[++kept] = list->series[i];
	}
	list->n = kept + 1;
}

int sks_series_gather(const struct json_object *report, struct sks_series **ret_series,
		      size_t *ret_n)
{
	const struct json_object *namespaces = sks_field(report, "namespaces");
	struct list list = { 0 };
	int err = namespaces ? 0 : gather_namespace(&list, report);

	for (size_t i = 0; !err && i < sks_field_length(namespaces); i++)
		err = gather_namespace(&list, json_object_array_get_idx(namespaces, i));
	if (err) {
		free(list.series);
		return err;
	}
	merge(&list);
	*ret_series = list.series;
	*ret_n = list.n;
	return 0;
}
