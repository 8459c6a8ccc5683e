// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns where a server is to bind (see place.h). */
#include <errno.h>
#include <string.h>

#include "instance.h"
#include "place.h"
#include "resolve.h"
#include "share.h"
#include "slot.h"

bool sks_mode_moves(uint16_t mode)
{
	return mode == SKS_MODE_REPLACE || mode == SKS_MODE_STANDBY || mode == SKS_MODE_JOIN;
}

static bool is_own(const struct sks_slot *slot, const struct sks_asked *asked)
{
	return !memcmp(slot->instance, asked->req->instance, sizeof(slot->instance));
}

/* Would the kernel let both be bound there? Not where their addresses meet. */
static bool meets(const struct sks_space *space, const struct sks_slot *slot,
		  const struct sks_socket *socket)
{
	const struct sks_dest *dest = &space->maps.dests[slot->dest];
	struct sks_prefix addr = sks_dest_addr(dest);

	if (dest->proto != socket->proto || sks_slot_port(space, slot) != socket->port)
		return false;
	if (dest->wildcard || !socket->addr.len)
		return slot->families & socket->families & SKS_SERVES_BOTH;
	return sks_prefix_equal(&addr, &socket->addr);
}

static void place_elsewhere(struct sks_asked *asked, const struct sks_space *space,
			    const struct sks_service *service, const struct sks_socket *socket)
{
	for (uint32_t i = 1; i < space->n_slots; i++) {
		const struct sks_slot *slot = &space->maps.slots[i];

		if (!slot->cookie || sks_service_of_slot(space, i) != service)
			continue;
		if (!meets(space, slot, socket))
			continue;
		/* Its own other sockets there are one group with this one, or in its way. */
		if (is_own(slot, asked) && slot->flags & SKS_SLOT_MOVED)
			asked->place_port = slot->port;
		if (!is_own(slot, asked) || slot->flags & SKS_SLOT_MOVED)
			asked->place = SKS_PLACE_ELSEWHERE;
	}
}

static int place_shared(struct sks_asked *asked, struct sks_space *space,
			const struct sks_service *service, const struct sks_socket *socket)
{
	for (uint32_t i = 1; i < space->n_slots; i++) {
		const struct sks_slot *slot = &space->maps.slots[i];

		if (!slot->cookie || sks_service_of_slot(space, i) != service ||
		    is_own(slot, asked) || !meets(space, slot, socket))
			continue;
		asked->place = SKS_PLACE_SHARED;
		return sks_share(asked, space, i, socket);
	}
	return sks_refuse(&asked->verdict, -EADDRINUSE,
			  "label \"%s\" has no socket at port %u of that address to be shared",
			  service->label, socket->port);
}

int sks_place(struct sks_asked *asked, struct sks_space *space, const struct sks_socket *socket)
{
	const struct sks_service *service;
	int err = 0;

	if (asked->req->mode == SKS_MODE_REFUSE)
		return 0;
	/* The other modes are for labels alone. */
	service = sks_service_find(space, asked->peer.uid, asked->req->label, NULL);
	if (!service)
		return 0;
	if (sks_mode_moves(asked->req->mode) && socket->proto == SKS_TCP)
		place_elsewhere(asked, space, service, socket);
	else if (asked->req->mode == SKS_MODE_SHARE &&
		 sks_instance_other(space, service, asked->req->instance, false))
		err = place_shared(asked, space, service, socket);
	if (err)
		asked->place = SKS_PLACE_ASKED;
	return err;
}
