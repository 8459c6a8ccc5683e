// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns what the helper remembers of pins that are damaged (see damage.h). */
#include <stdio.h>
#include <stdlib.h>

#include "damage.h"

bool sks_damage_holds(const struct sks_damage *list, const char *dir, uint64_t ino,
		      char ret_why[SKS_PINS_WHYLEN])
{
	uint32_t layout;
	uint64_t attached;

	while (list && list->ino != ino)
		list = list->next;
	/* They may be gone meanwhile, or their namespace, whose number another one has. */
	if (!list || sks_bpf_peek(dir, &layout, &attached) || attached != ino)
		return false;
	sks_pins_say_damaged(dir, list->what, ret_why);
	return true;
}

void sks_damage_keep(struct sks_damage **list, uint64_t ino, const char *what)
{
	struct sks_damage *damage = calloc(1, sizeof(*damage));

	sks_damage_forget(list, ino);
	if (!damage)
		return;
	damage->ino = ino;
	(void)snprintf(damage->what, sizeof(damage->what), "%s", what);
	damage->next = *list;
	*list = damage;
}

void sks_damage_forget(struct sks_damage **list, uint64_t ino)
{
	struct sks_damage *damage;

	while (*list && (*list)->ino != ino)
		list = &(*list)->next;
	damage = *list;
	if (damage)
		*list = damage->next;
	free(damage);
}
