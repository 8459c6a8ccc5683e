/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns sets of port numbers as sorted ranges. */
#ifndef SKSTEER_RANGES_H
#define SKSTEER_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sks_range {
	uint32_t first, last; /* host order */
};

/* Between sks_ranges_merge() and the next sks_ranges_add(): sorted, and none touches the next. */
struct sks_ranges {
	struct sks_range *list; /* malloc'd; sks_ranges_free() */
	size_t n, room;
};

/* 0 or -ENOMEM. */
int sks_ranges_add(struct sks_ranges *ranges, uint32_t first, uint32_t last);
void sks_ranges_merge(struct sks_ranges *ranges);
/* Of merged ones: does any port of first-last belong to it? */
bool sks_ranges_overlap(const struct sks_ranges *ranges, uint32_t first, uint32_t last);
void sks_ranges_free(struct sks_ranges *ranges);

#endif
