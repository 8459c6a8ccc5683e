// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns which events there are (see events.h). */
#include "events.h"

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "report.h"
#include "service.h"
#include "slot.h"
#include "watchers.h"

static void add_process(struct json_object *event, uint32_t pid)
{
	char comm[16];

	if (!pid)
		return;
	sks_json_add_number(event, "pid", pid);
	sks_service_comm((pid_t)pid, comm);
	if (*comm)
		sks_json_add_string(event, "process", comm);
}

static struct json_object *event_of(const char *name, const struct sks_space *space,
				    const struct sks_service *service)
{
	struct json_object *event = sks_watchers_event(name, space->ino);

	sks_json_add_string(event, "service", service->label);
	sks_json_add_number(event, "uid", service->uid);
	return event;
}

static struct json_object *event_of_slot(const char *name, const struct sks_space *space,
					 uint32_t slot)
{
	struct json_object *event = event_of(name, space, sks_service_of_slot(space, slot));

	add_process(event, space->maps.slots[slot].pid);
	sks_json_add(event, "socket", sks_report_socket(space, slot, sks_epoch(&space->maps)));
	return event;
}

void sks_event_registered(const struct sks_space *space, uint32_t slot)
{
	if (sks_watchers_any())
		sks_watchers_tell(space->ino, sks_service_of_slot(space, slot)->uid,
				  event_of_slot("registered", space, slot));
}

/* Is there another socket of the same service and time? */
static bool has_sibling(const struct sks_space *space, uint32_t slot)
{
	const struct sks_slot *slots = space->maps.slots;

	for (uint32_t i = 1; i < space->n_slots; i++) {
		if (i != slot && slots[i].cookie && slots[i].since == slots[slot].since &&
		    sks_service_of_slot(space, i) == sks_service_of_slot(space, slot))
			return true;
	}
	return false;
}

void sks_event_closed(const struct sks_space *space, uint32_t slot, const char *why)
{
	const struct sks_service *service = sks_service_of_slot(space, slot);
	uint32_t epoch = sks_epoch(&space->maps);
	bool replaced = space->maps.slots[slot].since != sks_owner(service, epoch)->taken_over &&
			!sks_slot_stands_by(space, slot, epoch);
	struct json_object *event;

	if (!sks_watchers_any())
		return;
	event = event_of_slot("closed", space, slot);
	if (why)
		sks_json_add_string(event, "reason", why);
	sks_watchers_tell(space->ino, service->uid, event);
	if (!replaced || has_sibling(space, slot))
		return;
	event = event_of("drained", space, service);
	add_process(event, space->maps.slots[slot].pid);
	sks_json_add_string(event, "reason", "the last socket of a replaced server is closed");
	sks_watchers_tell(space->ino, service->uid, event);
}

static bool has_socket_since(const struct sks_space *space, const struct sks_service *service,
			     uint32_t since)
{
	const struct sks_slot *slots = space->maps.slots;

	for (uint32_t i = 1; i < space->n_slots; i++) {
		if (slots[i].cookie && slots[i].since == since &&
		    sks_service_of_slot(space, i) == service)
			return true;
	}
	return false;
}

void sks_event_owners(const struct sks_space *space)
{
	uint32_t epoch = sks_epoch(&space->maps);

	for (uint32_t i = 0; sks_watchers_any() && i < space->n_services; i++) {
		const struct sks_service *service = &space->maps.services[i];
		const struct sks_owner *now = sks_owner(service, epoch),
				       *next = sks_owner(service, epoch + 1);
		struct json_object *event;
		char text[64];

		if (!sks_alive(service->born, service->died, epoch) ||
		    !sks_alive(service->born, service->died, epoch + 1) ||
		    !memcmp(now->instance, next->instance, sizeof(now->instance)) ||
		    (!has_socket_since(space, service, now->taken_over) &&
		     next->taken_over >= now->taken_over))
			continue;
		event = event_of("replaced", space, service);
		add_process(event, next->pid);
		(void)snprintf(text, sizeof(text),
			       next->taken_over < now->taken_over ? "process %u has ended"
								  : "in the place of process %u",
			       now->pid);
		sks_json_add_string(event, "reason", text);
		sks_watchers_tell(space->ino, service->uid, event);
	}
}

void sks_event_denied(const struct sks_asked *asked)
{
	struct json_object *event;

	if (!sks_watchers_any())
		return;
	event = sks_watchers_event("denied", asked->netns_ino);
	if (sks_label_is_valid(asked->req->label))
		sks_json_add_string(event, "service", asked->req->label);
	sks_json_add_number(event, "uid", asked->peer.uid);
	add_process(event, (uint32_t)asked->peer.pid);
	sks_json_add_string(event, "reason", asked->verdict.text);
	sks_watchers_tell(asked->netns_ino, asked->peer.uid, event);
}

void sks_event_namespace_gone(uint64_t netns_ino)
{
	if (sks_watchers_any())
		sks_watchers_tell(netns_ino, UINT32_MAX,
				  sks_watchers_event("namespace-gone", netns_ino));
}
