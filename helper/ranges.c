// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns sets of port numbers as sorted ranges (see ranges.h). */
#include <errno.h>
#include <stdlib.h>

#include "ranges.h"

int sks_ranges_add(struct sks_ranges *ranges, uint32_t first, uint32_t last)
{
	if (ranges->n == ranges->room) {
		size_t room = ranges->room ? 2 * ranges->room : 16;
		struct sks_range *more = reallocarray(ranges->list, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		ranges->list = more;
		ranges->room = room;
	}
	ranges->list[ranges->n++] = (struct sks_range){ first, last };
	return 0;
}

static int by_first(const void *pa, const void *pb)
{
	const struct sks_range *a = pa, *b = pb;

	return (a->first > b->first) - (a->first < b->first);
}

void sks_ranges_merge(struct sks_ranges *ranges)
{
	struct sks_range *list = ranges->list;
	size_t kept = 0;

	if (ranges->n < 2)
		return;
	qsort(list, ranges->n, sizeof(*list), by_first);
	for (size_t i = 1; i < ranges->n; i++) {
		if (list[i].first > list[kept].last + 1)
			list[++kept] = list[i];
		else if (list[i].last > list[kept].last)
			list[kept].last = list[i].last;
	}
	ranges->n = kept + 1;
}

bool sks_ranges_overlap(const struct sks_ranges *ranges, uint32_t first, uint32_t last)
{
	size_t low = 0, high = ranges->n;

	/* The first range that does not end before. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges->list[middle].last < first)
			low = middle + 1;
		else
			high = middle;
	}
	return low < ranges->n && ranges->list[low].first <= last;
}

void sks_ranges_free(struct sks_ranges *ranges)
{
	free(ranges->list);
	*ranges = (struct sks_ranges){};
}
