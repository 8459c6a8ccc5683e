// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns whose a subordinate uid is (see subids.h). */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/text.h"
#include "subids.h"

#define PATH	  "/etc/subuid"
#define MAX_LINES 65536

static struct range {
	uint32_t first, n, owner;
} * ranges; /* malloc'd */
static size_t n_ranges;

static int find_user(const char *name, uint32_t *ret_uid)
{
	const struct passwd *user = getpwnam(name);

	if (!user)
		return sks_uint_parse(name, strlen(name), UINT32_MAX - 1, ret_uid);
	*ret_uid = user->pw_uid;
	return 0;
}

/* NAME:FIRST:COUNT. Root's are of containers, which have nothing to do with each other. */
static int parse(char *line, struct range *ret_range)
{
	char *rest = line, *name = strsep(&rest, ":"), *first = strsep(&rest, ":");
	struct range range;

	if (!rest)
		return -1;
	rest[strcspn(rest, "\n")] = '\0';
	if (sks_uint_parse(first, strlen(first), UINT32_MAX, &range.first) ||
	    sks_uint_parse(rest, strlen(rest), UINT32_MAX, &range.n) ||
	    find_user(name, &range.owner) || !range.owner)
		return -1;
	*ret_range = range;
	return 0;
}

void sks_subids_load(void)
{
	FILE *file = fopen(PATH, "re");
	size_t size = 0, room = 0;
	char *line = NULL;

	n_ranges = 0;
	while (file && n_ranges < MAX_LINES && getline(&line, &size, file) > 0) {
		struct range range, *more;

		if (parse(line, &range))
			continue;
		if (n_ranges >= room) {
			room = 2 * n_ranges + 16;
			more = reallocarray(ranges, room, sizeof(*more));
			if (!more)
				break;
			ranges = more;
		}
		ranges[n_ranges++] = range;
	}
	free(line);
	if (file)
		(void)fclose(file);
}

uint32_t sks_subids_owner(uint32_t uid)
{
	for (size_t i = 0; i < n_ranges; i++) {
		if (uid - ranges[i].first < ranges[i].n)
			return ranges[i].owner;
	}
	return uid;
}
