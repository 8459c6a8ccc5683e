/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns which numbers of a report are one time series: those of a service and a protocol. */
#ifndef SKSTEER_CTL_SERIES_H
#define SKSTEER_CTL_SERIES_H

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

enum { SKS_IPV4, SKS_IPV6, SKS_DUAL, SKS_FAMILY_NAMES };
enum { SKS_NOT_RECEIVING, SKS_ANOTHER_PROGRAM, SKS_OTHER_REASON, SKS_REASON_NAMES };

extern const char *const sks_family_names[SKS_FAMILY_NAMES];
extern const char *const sks_reason_names[SKS_REASON_NAMES];

struct sks_series {
	uint64_t netns;
	uint32_t uid;
	const char *service, *proto; /* borrowed of the report, and constant */
	/* By the family of the connection: */
	uint64_t steered[SKS_DUAL], refused[SKS_DUAL], errors[SKS_DUAL][SKS_REASON_NAMES];
	uint64_t bindings[SKS_DUAL];	    /* by that of the prefix */
	uint64_t sockets[SKS_FAMILY_NAMES]; /* by that of the socket */
};

/*
 * Of a report, or {"namespaces": [...]}: malloc'd, sorted, no two of one name. Protocols of which a
 * service has nothing are not among them. 0 or -ENOMEM.
 */
int sks_series_gather(const struct json_object *report, struct sks_series **ret_series,
		      size_t *ret_n);

#endif
