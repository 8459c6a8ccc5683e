// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns what sksteerctl asks of a label as a whole: another instance, other weights, its end. */
#include <errno.h>
#include <string.h>

#include "change.h"
#include "dest.h"
#include "events.h"
#include "instance.h"
#include "join.h"
#include "log.h"
#include "request.h"
#include "slot.h"

/* The listeners of that instance are the label's in the next state. */
static void open_all(struct sks_space *space, const struct sks_service *service, uint32_t since)
{
	for (uint32_t i = 1; i < space->n_slots; i++) {
		const struct sks_slot *slot = &space->maps.slots[i];

		if (slot->cookie && slot->since == since &&
		    sks_service_of_slot(space, i) == service)
			sks_dest_open(space, &space->maps.dests[slot->dest], slot->families);
	}
}

void sks_ask_promote(struct sks_asked *asked)
{
	static const uint8_t nobody[SKS_INSTANCE_SIZE];
	struct sks_space *space;
	struct sks_service *service = sks_ask_label(asked, &space);
	uint32_t slot = service ? sks_instance_other(space, service, nobody, true) : 0;
	struct sks_change change = sks_ask_change(asked, space, service);

	if (!service)
		return;
	if (!slot) {
		(void)sks_refuse(&asked->verdict, -ENOENT, "nobody stands by for label \"%s\"",
				 service->label);
		return;
	}
	change.promotes = space->maps.slots[slot].since;
	sks_instance_restore(space, service, slot);
	open_all(space, service, change.promotes);
	if (!sks_change_finish(&change))
		sks_log_of(asked->peer.uid, SKS_LOG_INFO, "user %u: \"%s\" is process %u's",
			   asked->peer.uid, service->label, space->maps.slots[slot].pid);
}

/* Their servers go on, and may register anew. */
static void drop_sockets(struct sks_space *space, uint16_t service)
{
	for (uint32_t i = 1; i < space->n_slots; i++) {
		const struct sks_slot *slot = &space->maps.slots[i];

		if (!slot->cookie || space->maps.dests[slot->dest].service != service)
			continue;
		sks_event_closed(space, i, "its label was unregistered");
		sks_slot_drop(space, i);
	}
}

void sks_ask_unregister(struct sks_asked *asked)
{
	struct sks_space *space;
	struct sks_service *service = sks_ask_label(asked, &space);
	uint16_t number;

	if (!service)
		return;
	number = sks_service_number(space, service);
	sks_log_of(asked->peer.uid, SKS_LOG_INFO, "user %u: \"%s\" is over", asked->peer.uid,
		   service->label);
	sks_service_kill(space, service);
	if (sks_change_republish(space))
		(void)sks_refuse(&asked->verdict, -EIO, "cannot publish the change");
	else
		drop_sockets(space, number);
}

void sks_ask_weight(struct sks_asked *asked)
{
	struct sks_space *space;
	struct sks_service *service = sks_ask_label(asked, &space);

	if (service)
		(void)sks_join_weigh(space, service, (pid_t)asked->req->pid, asked->req->weight,
				     &asked->verdict);
}
