/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how reports and the helper's numbers are written as OpenMetrics text. */
#ifndef SKSTEER_CTL_OPENMETRICS_H
#define SKSTEER_CTL_OPENMETRICS_H

#include <json-c/json.h>
#include <stdio.h>

#define SKS_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/*
 * report: of one namespace, or {"namespaces": [...]}, or NULL: unknown. up: a helper has answered,
 * with these numbers unless they are NULL. 0 or -ENOMEM.
 */
int sks_openmetrics_write(FILE *to, const struct json_object *report, bool up,
			  const struct json_object *numbers);

#endif
