/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how fast counters grow from one report to the next. */
#ifndef SKSTEER_CTL_RATES_H
#define SKSTEER_CTL_RATES_H

#include <json-c/json.h>
#include <stdint.h>

struct sks_rates {
	struct json_object *counters; /* of the report before, by service; NULL: there was none */
	int64_t at_ms;
};

/*
 * Gives each service of the report that was in the one before "rates": "steered" and "refused" a
 * second.
 */
void sks_rates_add(struct sks_rates *rates, struct json_object *report);
void sks_rates_free(struct sks_rates *rates);

#endif
