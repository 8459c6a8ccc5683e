/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the report that verbs of sksteerctl ask the helper for. */
#ifndef SKSTEER_CTL_REPORT_H
#define SKSTEER_CTL_REPORT_H

#include <json-c/json.h>

#include "ctl.h"

/*
 * The caller's services, or the one with that label where label is not NULL; the caller puts it.
 * 0; -errno: nobody answered; 1: it was answered, and said that it does not help.
 */
int sks_ctl_ask_report(const struct sks_ctl *ctl, const char *label,
		       struct json_object **ret_report);
/* Of a namespace in which nothing is loaded. */
struct json_object *sks_ctl_empty_report(const struct sks_ctl *ctl);

#endif
