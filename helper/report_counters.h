/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what a report says of the counters of one service. */
#ifndef SKSTEER_REPORT_COUNTERS_H
#define SKSTEER_REPORT_COUNTERS_H

#include <json-c/json.h>

#include "../common/maps.h"

/*
 * Of sums[SKS_TCP, SKS_UDP][SKS_V4, SKS_V6]: in all, of each family, and of each protocol and
 * family that has counted anything. The caller puts it.
 */
struct json_object *sks_report_counters(const struct sks_counter sums[2][2]);

#endif
