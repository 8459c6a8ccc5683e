/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the reports that verbs of sksteerctl show or ask for. */
#ifndef SKSTEER_CTL_REPORT_H
#define SKSTEER_CTL_REPORT_H

#include <json-c/json.h>

#include "ctl.h"

/*
 * What is steered in this namespace or, with --all, {"namespaces": [...]}: of the pins, so that it
 * is there while the helper is down, or of the helper. *ret_report, which the caller puts, is NULL
 * where there is none; what could be read is there also where not 0 is returned, after having said
 * why.
 */
int sks_ctl_read_report(const struct sks_ctl *ctl, struct json_object **ret_report);

/*
 * The helper's: the caller's services, or the one with that label where label is not NULL, or, where
 * everywhere, those of all namespaces; the caller puts it.
 * 0; -errno: nobody answered; 1: it was answered, and said that it does not help.
 */
int sks_ctl_ask_report(const struct sks_ctl *ctl, const char *label, bool everywhere,
		       struct json_object **ret_report);
/* Of a namespace in which nothing is loaded. */
struct json_object *sks_ctl_empty_report(const struct sks_ctl *ctl);

#endif
