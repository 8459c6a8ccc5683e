// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns which ports of a route are exclusive, and which yield (see exclusive.h). */
#include <errno.h>

#include "exclusive.h"
#include "inside.h"

/* Before anybody has looked: as the kernel begins. */
#define LOCAL_FIRST 32768
#define LOCAL_LAST  60999

struct sks_range sks_local_ports(const struct sks_space *space)
{
	const struct sks_head *head = &space->maps.ports->head;

	return head->local_first && head->local_first <= head->local_last
		       ? (struct sks_range){ head->local_first, head->local_last }
		       : (struct sks_range){ LOCAL_FIRST, LOCAL_LAST };
}

int sks_local_ports_see(struct sks_space *space, int netns)
{
	struct sks_head *head = &space->maps.ports->head;
	struct sks_port_limits limits;
	int err = sks_inside_port_limits(netns, &limits);

	if (err)
		return err;
	if (head->local_last && head->local_first < limits.local_first)
		limits.local_first = head->local_first;
	if (head->local_last > limits.local_last)
		limits.local_last = head->local_last;
	if (head->local_first == limits.local_first && head->local_last == limits.local_last)
		return 0;
	head->local_first = limits.local_first;
	head->local_last = limits.local_last;
	return 1;
}

bool sks_ports_yield(const struct sks_space *space, uint32_t width, uint32_t first, uint32_t last,
		     struct sks_range *ret_part)
{
	struct sks_range part = sks_local_ports(space);

	if (width == 1)
		return false;
	if (width > SKS_RANGE_EXCLUSIVE) {
		*ret_part = (struct sks_range){ first, last };
		return true;
	}
	part.first = part.first > first ? part.first : first;
	part.last = part.last < last ? part.last : last;
	if (part.first > part.last)
		return false;
	*ret_part = part;
	return true;
}

size_t sks_route_exclusive(const struct sks_space *space, const struct sks_route *route,
			   struct sks_range ret_parts[2])
{
	struct sks_range part;
	size_t n = 0;

	if (!sks_route_yields(space, route, &part)) {
		ret_parts[0] = (struct sks_range){ route->first, route->last };
		return 1;
	}
	if (route->first < part.first)
		ret_parts[n++] = (struct sks_range){ route->first, part.first - 1 };
	if (part.last < route->last)
		ret_parts[n++] = (struct sks_range){ part.last + 1, route->last };
	return n;
}
