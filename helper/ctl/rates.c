/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how fast counters grow from one report to the next (see rates.h). */
#include "rates.h"

#include <stdio.h>
#include <time.h>

#include "field.h"

static const char *const counters[] = { "steered", "refused" };

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* One that began anew counts from 0. */
static double rate_of(uint64_t now, uint64_t before, int64_t ms)
{
	return ms > 0 ? (double)(now >= before ? now - before : now) * 1000 / (double)ms : 0;
}

static void add_to(struct json_object *service, const struct json_object *before, int64_t ms)
{
	const struct json_object *now = sks_field(service, "counters");
	struct json_object *rates = json_object_new_object();

	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++)
		json_object_object_add(
			rates, counters[i],
			json_object_new_double(rate_of(sks_field_number(now, counters[i]),
						       sks_field_number(before, counters[i]), ms)));
	json_object_object_add(service, "rates", rates);
}

/* What the services have counted goes into next. */
static void add_namespace(const struct sks_rates *rates, const struct json_object *report,
			  int64_t now, struct json_object *next)
{
	const struct json_object *services = sks_field(report, "services");

	for (size_t i = 0; i < sks_field_length(services); i++) {
		struct json_object *service = json_object_array_get_idx(services, i), *mine,
				   *before;
		char key[128];

		(void)snprintf(key, sizeof(key), "%llu %llu %.64s",
			       (unsigned long long)sks_field_number(report, "namespace"),
			       (unsigned long long)sks_field_number(sks_field(service, "owner"),
								    "uid"),
			       sks_field_text(service, "label"));
		if (json_object_object_get_ex(service, "counters", &mine))
			json_object_object_add(next, key, json_object_get(mine));
		if (json_object_object_get_ex(rates->counters, key, &before))
			add_to(service, before, now - rates->at_ms);
	}
}

void sks_rates_add(struct sks_rates *rates, struct json_object *report)
{
	const struct json_object *namespaces = sks_field(report, "namespaces");
	struct json_object *next = json_object_new_object();
	int64_t now = now_ms();

	if (!namespaces)
		add_namespace(rates, report, now, next);
	for (size_t i = 0; i < sks_field_length(namespaces); i++)
		add_namespace(rates, json_object_array_get_idx(namespaces, i), now, next);
	sks_rates_free(rates);
	rates->counters = next;
	rates->at_ms = now;
}

void sks_rates_free(struct sks_rates *rates)
{
	json_object_put(rates->counters);
	rates->counters = NULL;
}
