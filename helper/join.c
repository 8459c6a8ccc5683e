// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns instances that serve a label together (see join.h). */
#include <errno.h>
#include <string.h>

#include "dest.h"
#include "group.h"
#include "join.h"
#include "process.h"
#include "resolve.h"
#include "slot.h"

/* Without a group the first socket of a chain serves alone. */
static int start_groups(struct sks_space *space, struct sks_dest *dest, struct sks_verdict *verdict)
{
	int err = 0;

	for (uint32_t family = SKS_V4; !err && family <= SKS_V6; family++)
		err = sks_group_start(space, dest, family);
	return err ? sks_refuse_room(verdict, err, "groups of sockets that share",
				     SKS_MAX_GROUPS - 1)
		   : 0;
}

int sks_join(struct sks_space *space, const struct sks_socket *socket, uint32_t partner,
	     struct sks_change *change)
{
	struct sks_dest *dest = &space->maps.dests[space->maps.slots[partner].dest];
	struct sks_prefix addr = sks_dest_addr(dest);
	struct sks_socket like = *socket;
	uint32_t served = sks_dest_families(dest, sks_epoch(&space->maps)) &
			  ~(uint32_t)dest->inherited;
	int err;

	if (dest->ifindex != socket->ifindex || dest->wildcard != !socket->addr.len ||
	    (!dest->wildcard && !sks_prefix_equal(&addr, &socket->addr)))
		return sks_refuse(
			change->verdict, -EINVAL,
			"to join, a server must listen at the same address as the one there");
	if (socket->port != dest->port) {
		/* That it may have its own port in a family says nothing of this one. */
		if (socket->families & SKS_SERVES_BOTH & ~served)
			return sks_refuse(change->verdict, -EINVAL,
					  "to join at another port, a server must not listen in a "
					  "family in which the one there does not");
		change->slot.port = socket->bound ?: socket->port;
		like.port = dest->port;
	}
	err = sks_dest_get(space, change->service, &like, &change->dest);
	if (err)
		return err;
	return change->dry ? 0 : start_groups(space, change->dest, change->verdict);
}

int sks_join_split(struct sks_space *space, struct sks_change *change)
{
	const struct sks_slot *own = &change->slot;
	uint32_t dest = (uint32_t)(change->dest - space->maps.dests);

	for (uint32_t i = 1; !change->dry && i < space->n_slots; i++) {
		const struct sks_slot *slot = &space->maps.slots[i];

		if (slot->cookie && slot->dest == dest && slot->since == own->since &&
		    slot->flags & own->flags & SKS_SLOT_MOVED && slot->port != own->port)
			return start_groups(space, change->dest, change->verdict);
	}
	return 0;
}

static bool is_of_service(const struct sks_space *space, uint32_t i,
			  const struct sks_service *service)
{
	return space->maps.slots[i].cookie && sks_service_of_slot(space, i) == service;
}

/* Of those from *i on: as many as can be asked for at once. */
static size_t next_inodes(const struct sks_space *space, const struct sks_service *service,
			  uint32_t *i, uint32_t slots[SKS_PROCESS_INODES],
			  uint32_t inodes[SKS_PROCESS_INODES])
{
	size_t n = 0;

	for (; *i < space->n_slots && n < SKS_PROCESS_INODES; (*i)++) {
		if (!is_of_service(space, *i, service))
			continue;
		slots[n] = *i;
		inodes[n++] = space->maps.slots[*i].inode;
	}
	return n;
}

/* By who registered it, or, where that one is gone, by who has it. */
static uint32_t find_slot(const struct sks_space *space, const struct sks_service *service,
			  pid_t pid)
{
	uint32_t slots[SKS_PROCESS_INODES], inodes[SKS_PROCESS_INODES], i;
	size_t n;

	for (i = 1; i < space->n_slots; i++) {
		if (is_of_service(space, i, service) && (pid_t)space->maps.slots[i].pid == pid)
			return i;
	}
	/* Of that process alone: nobody is to wait for a walk through all of them. */
	for (i = 1; (n = next_inodes(space, service, &i, slots, inodes));) {
		int held = sks_process_holds(pid, inodes, n);

		if (held >= 0 && (size_t)held < n)
			return slots[held];
		if (held != -ESRCH)
			break;
	}
	return 0;
}

int sks_join_weigh(struct sks_space *space, const struct sks_service *service, pid_t pid,
		   uint16_t weight, struct sks_verdict *verdict)
{
	uint32_t found = find_slot(space, service, pid);
	struct sks_slot *slots = space->maps.slots;

	if (!found)
		return sks_refuse(verdict, -ESRCH, "process %d has no socket of label \"%s\"",
				  (int)pid, service->label);
	for (uint32_t i = 1; i < space->n_slots; i++) {
		struct sks_dest *dest = &space->maps.dests[slots[i].dest];

		if (!is_of_service(space, i, service) ||
		    memcmp(slots[i].instance, slots[found].instance, sizeof(slots[i].instance)) !=
			    0)
			continue;
		slots[i].weight = weight;
		if (dest->group[SKS_V4] || dest->group[SKS_V6])
			sks_group_update(space, dest);
	}
	return 0;
}
