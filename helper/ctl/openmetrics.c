/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how reports and the helper's numbers are written as OpenMetrics text (see openmetrics.h). */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "../../common/maps.h"
#include "../../common/release.h"
#include "../../common/wire.h"
#include "field.h"
#include "openmetrics.h"
#include "series.h"

static void put_family(FILE *to, const char *name, const char *type, const char *help)
{
	(void)fprintf(to, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

/* What a program at the helper's socket calls a service may be anything. */
static void put_value(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			(void)fputc('\\', to);
		(void)fputc(*text < ' ' || *text > '~' ? '?' : *text, to);
	}
}

/* Without the brace at its end. */
static void put_name(FILE *to, const char *name, const struct sks_series *series, size_t family)
{
	(void)fprintf(to, "%s{service=\"", name);
	put_value(to, series->service);
	(void)fprintf(to, "\",uid=\"%u\",netns=\"%" PRIu64 "\",family=\"%s\",protocol=\"%s\"",
		      series->uid, series->netns, sks_family_names[family], series->proto);
}

static void put_steered(FILE *to, const struct sks_series *series, size_t family)
{
	put_name(to, "sksteer_steered_total", series, family);
	(void)fprintf(to, "} %" PRIu64 "\n", series->steered[family]);
}

static void put_refused(FILE *to, const struct sks_series *series, size_t family)
{
	put_name(to, "sksteer_refused_total", series, family);
	(void)fprintf(to, "} %" PRIu64 "\n", series->refused[family]);
}

static void put_errors(FILE *to, const struct sks_series *series, size_t family)
{
	for (size_t i = 0; i < SKS_REASON_NAMES; i++) {
		put_name(to, "sksteer_errors_total", series, family);
		(void)fprintf(to, ",reason=\"%s\"} %" PRIu64 "\n", sks_reason_names[i],
			      series->errors[family][i]);
	}
}

static void put_sockets(FILE *to, const struct sks_series *series, size_t family)
{
	put_name(to, "sksteer_sockets", series, family);
	(void)fprintf(to, "} %" PRIu64 "\n", series->sockets[family]);
}

static void put_bindings(FILE *to, const struct sks_series *series, size_t family)
{
	put_name(to, "sksteer_bindings", series, family);
	(void)fprintf(to, "} %" PRIu64 "\n", series->bindings[family]);
}

static const struct family {
	const char *name, *type, *help;
	void (*put)(FILE *to, const struct sks_series *series, size_t family);
	size_t n_families; /* the first so many of sks_family_names */
} families[] = {
	{ "sksteer_steered", "counter",
	  "New connections and unconnected datagrams that a socket of the service was given.",
	  put_steered, SKS_DUAL },
	{ "sksteer_refused", "counter", "The same, refused since the service had no socket.",
	  put_refused, SKS_DUAL },
	{ "sksteer_errors", "counter", "The same, that no socket of the service could take.",
	  put_errors, SKS_DUAL },
	{ "sksteer_sockets", "gauge", "Open sockets of the service.", put_sockets,
	  SKS_FAMILY_NAMES },
	{ "sksteer_bindings", "gauge", "What is steered to the service, as status lists it.",
	  put_bindings, SKS_DUAL },
};

static void put_services(FILE *to, const struct sks_series *series, size_t n)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
		const struct family *family = &families[i];

		put_family(to, family->name, family->type, family->help);
		for (size_t k = 0; k < n; k++) {
			for (size_t f = 0; f < family->n_families; f++)
				family->put(to, &series[k], f);
		}
	}
}

/* name: without _info. */
static void put_build(FILE *to, const char *name, const char *whose, const char *version,
		      uint64_t wire, uint64_t layout)
{
	(void)fprintf(to, "# TYPE %s info\n# HELP %s The version of %s.\n", name, name, whose);
	(void)fprintf(to, "%s_info{version=\"", name);
	put_value(to, version);
	(void)fprintf(to, "\",wire=\"%" PRIu64 "\",layout=\"%" PRIu64 "\"} 1\n", wire, layout);
}

static void put_helper(FILE *to, const struct json_object *numbers)
{
	static const struct {
		const char *key, *name, *help;
	} counters[] = {
		{ "registrations", "sksteer_helper_registrations", "Sockets that were taken." },
		{ "denials", "sksteer_helper_denials", "Requests for ports that were refused." },
		{ "events_lost", "sksteer_helper_events_lost",
		  "Events that found no room at somebody who watches." },
	};

	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++) {
		put_family(to, counters[i].name, "counter", counters[i].help);
		(void)fprintf(to, "%s_total %" PRIu64 "\n", counters[i].name,
			      sks_field_number(numbers, counters[i].key));
	}
	(void)fprintf(to, "# TYPE sksteer_helper_uptime_seconds gauge\n"
			  "# UNIT sksteer_helper_uptime_seconds seconds\n"
			  "# HELP sksteer_helper_uptime_seconds How long the helper runs.\n");
	(void)fprintf(to, "sksteer_helper_uptime_seconds %.3f\n",
		      json_object_get_double(sks_field(numbers, "uptime")));
	put_build(to, "sksteer_helper_build", "the helper that runs",
		  sks_field_text(numbers, "version"), sks_field_number(numbers, "wire"),
		  sks_field_number(numbers, "layout"));
}

int sks_openmetrics_write(FILE *to, const struct json_object *report, bool up,
			  const struct json_object *numbers)
{
	struct sks_series *series = NULL;
	size_t n = 0;
	int err = report ? sks_series_gather(report, &series, &n) : 0;

	if (err)
		return err;
	put_build(to, "sksteer_build", "sksteerctl", SKS_RELEASE, SKS_WIRE_VERSION, SKS_LAYOUT);
	if (report)
		put_services(to, series, n);
	put_family(to, "sksteer_helper_up", "gauge", "Has a helper answered?");
	(void)fprintf(to, "sksteer_helper_up %d\n", up);
	if (numbers)
		put_helper(to, numbers);
	(void)fputs("# EOF\n", to);
	free(series);
	return 0;
}
