// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns what `status` says of a namespace, read from its maps. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "binding.h"
#include "claims.h"
#include "counter.h"
#include "exclusive.h"
#include "instance.h"
#include "json.h"
#include "report.h"
#include "report_counters.h"
#include "resolve.h"
#include "row.h"
#include "slot.h"
#include "space.h"

#define READ_TRIES 16

/* What is said of one service; the rest of the record is in its maps. */
struct entry {
	bool told; /* one of those that were asked for */
	struct json_object *sockets, *bindings, *waiting, *left_out;
	struct sks_counter sums[2][2]; /* [SKS_TCP, SKS_UDP][SKS_V4, SKS_V6] */
};

/* While one report is made. Each record is looked at once, and goes to its service's entry. */
struct report {
	const struct sks_space *space;
	uint32_t epoch;
	struct entry *entries;	  /* by number of the service */
	struct sks_routes routes; /* in the order in which they win */
	uint8_t *resolved;	  /* by number of the binding: some route comes from it */
};

static const char *proto_name(uint8_t proto)
{
	return proto == SKS_UDP ? "udp" : "tcp";
}

static const char *family_name(uint8_t families)
{
	if ((families & SKS_SERVES_BOTH) == SKS_SERVES_BOTH)
		return "dual";
	return families & SKS_SERVES_V6 ? "ipv6" : "ipv4";
}

static void add_bound_address(struct json_object *socket, const struct sks_dest *dest,
			      uint8_t families)
{
	struct sks_prefix addr = sks_dest_addr(dest);

	if (dest->wildcard)
		sks_json_add_string(socket, "address", families & SKS_SERVES_V6 ? "::" : "0.0.0.0");
	else
		sks_json_add_address(socket, "address", &addr);
}

static void add_instance(struct json_object *socket, const struct sks_slot *slot)
{
	char text[2 * sizeof(slot->instance) + 1];

	for (size_t i = 0; i < sizeof(slot->instance); i++)
		(void)snprintf(text + 2 * i, 3, "%02x", slot->instance[i]);
	sks_json_add_string(socket, "instance", text);
}

static const char *state_of(const struct sks_space *space, uint32_t i, uint32_t epoch)
{
	const struct sks_slot *slot = &space->maps.slots[i];
	const struct sks_dest *dest = &space->maps.dests[slot->dest];

	if (sks_slot_stands_by(space, i, epoch))
		return "standby";
	if (slot->since != sks_owner(&space->maps.services[dest->service], epoch)->taken_over)
		return "replaced";
	return dest->proto == SKS_UDP ? "bound" : "listening";
}

struct json_object *sks_report_socket(const struct sks_space *space, uint32_t i, uint32_t epoch)
{
	const struct sks_slot *slot = &space->maps.slots[i];
	const struct sks_dest *dest = &space->maps.dests[slot->dest];
	struct json_object *socket = json_object_new_object();

	sks_json_add_string(socket, "family", family_name(slot->families));
	sks_json_add_string(socket, "protocol", proto_name(dest->proto));
	add_bound_address(socket, dest, slot->families);
	sks_json_add_number(socket, "port", sks_slot_port(space, slot));
	sks_json_add_number(socket, "bound_port", slot->port ?: dest->port);
	if (dest->ifindex)
		sks_json_add_number(socket, "ifindex", dest->ifindex);
	sks_json_add_number(socket, "pid", slot->pid);
	sks_json_add_number(socket, "cookie", slot->cookie);
	sks_json_add_number(socket, "inode", slot->inode);
	sks_json_add_string(socket, "state", state_of(space, i, epoch));
	sks_json_add_number(socket, "weight", slot->weight);
	if (dest->proto == SKS_UDP)
		sks_json_add_string(socket, "answers",
				    slot->flags & SKS_SLOT_ANSWERS ? "asked port" : "bound port");
	if (slot->flags & SKS_SLOT_ALONE)
		sks_json_add_string(socket, "supervisor", "killed");
	add_instance(socket, slot);
	return socket;
}

static struct entry *entry_of(const struct report *report, uint16_t service)
{
	struct entry *entry = &report->entries[service];

	return service < report->space->n_services && entry->told ? entry : NULL;
}

static void report_sockets(const struct report *report)
{
	const struct sks_space *space = report->space;

	for (uint32_t i = 1; i < space->n_slots; i++) {
		const struct sks_slot *slot = &space->maps.slots[i];
		struct entry *entry;

		if (!slot->cookie || slot->dest >= space->n_dests)
			continue;
		entry = entry_of(report, space->maps.dests[slot->dest].service);
		if (entry && sks_slot_lives(&space->maps, i))
			json_object_array_add(entry->sockets,
					      sks_report_socket(space, i, report->epoch));
	}
}

struct json_object *sks_report_route(const struct sks_route *route)
{
	struct json_object *binding = json_object_new_object();

	sks_json_add_string(binding, "protocol", proto_name(route->proto));
	sks_json_add_address(binding, "prefix", &route->prefix);
	if (route->width > SKS_PORT_NUMBERS - 1)
		sks_json_add_string(binding, "ports", "*");
	else
		sks_json_add_ports(binding, "ports", route->first, route->last);
	return binding;
}

/* As they win; the same target of the same service, brought twice, side by side. */
static int by_precedence(const void *pa, const void *pb)
{
	const struct sks_route *a = pa, *b = pb;
	struct sks_route ageless_a = *a, ageless_b = *b;

	ageless_a.born = ageless_b.born = 0;
	return sks_route_precedence(&ageless_a, &ageless_b) ?:
	       memcmp(&a->prefix, &b->prefix, sizeof(a->prefix)) ?: a->proto - b->proto ?:
	       a->service - b->service ?: a->last - b->last;
}

static void report_routes(const struct report *report)
{
	for (size_t i = 0; i < report->routes.n; i++) {
		const struct sks_route *route = &report->routes.routes[i];
		struct entry *entry = entry_of(report, route->service);

		if (entry && route->dest != SKS_DEST_GUARD &&
		    (!i || by_precedence(route - 1, route) != 0))
			json_object_array_add(entry->bindings, sks_report_route(route));
	}
}

static struct json_object *report_left_out(const struct sks_binding *binding)
{
	struct json_object *object = json_object_new_object();

	sks_json_add_string(object, "protocol", proto_name(binding->proto));
	sks_json_add_ports(object, "ports", binding->first, binding->last);
	return object;
}

/* Those that no route shows: what is left to others, and what no listener of theirs came for yet.
 */
static void report_bindings(const struct report *report)
{
	char text[SKS_TARGET_STRLEN];

	for (uint32_t i = 0; i < report->space->n_bindings; i++) {
		const struct sks_binding *binding = &report->space->maps.bindings[i];
		struct entry *entry;
		struct sks_target target;

		if (report->resolved[i] ||
		    !sks_binding_counts(report->space, binding, report->epoch))
			continue;
		entry = entry_of(report, binding->service);
		if (!entry)
			continue;
		if (binding->source == SKS_LEFT_OUT) {
			json_object_array_add(entry->left_out, report_left_out(binding));
			continue;
		}
		if (!sks_binding_is_asked(binding))
			continue;
		target = sks_binding_target(binding);
		json_object_array_add(entry->waiting,
				      json_object_new_string(sks_target_format(&target, text)));
	}
}

static void sum_counters(const struct report *report)
{
	const struct sks_space *space = report->space;
	struct sks_counter one;

	for (uint32_t i = 1; i < space->n_dests; i++) {
		const struct sks_dest *dest = &space->maps.dests[i];
		struct entry *entry = entry_of(report, dest->service);

		/* Also of one that has died, until the helper has moved what it counted. */
		if (!entry || !dest->born || dest->born > report->epoch)
			continue;
		for (uint32_t family = SKS_V4; family <= SKS_V6; family++) {
			if (!sks_bpf_counter(&space->maps, i, family, &one))
				sks_counter_add(&entry->sums[dest->proto & 1][family], &one);
		}
	}
}

/* The entry's lists go into it. */
static struct json_object *report_service(const struct sks_service *service, struct entry *entry)
{
	struct json_object *object = json_object_new_object();
	struct json_object *owner = json_object_new_object();

	sks_json_add_string(object, "label", service->label);
	sks_json_add_number(owner, "uid", service->uid);
	sks_json_add(object, "owner", owner);
	sks_json_add(object, "ephemeral", json_object_new_boolean(!service->named));
	sks_json_add(object, "sockets", entry->sockets);
	sks_json_add(object, "bindings", entry->bindings);
	sks_json_add(object, "waiting", entry->waiting);
	sks_json_add(object, "left_out", entry->left_out);
	sks_json_add(object, "counters", sks_report_counters(entry->sums));
	*entry = (struct entry){};
	return object;
}

static void begin_entries(const struct report *report, const uint8_t *told)
{
	for (uint32_t i = 0; i < report->space->n_services; i++) {
		const struct sks_service *service = &report->space->maps.services[i];
		struct entry *entry = &report->entries[i];

		if (!told[i])
			continue;
		entry->told = true;
		entry->sockets = json_object_new_array();
		entry->bindings = json_object_new_array();
		entry->waiting = json_object_new_array();
		entry->left_out = json_object_new_array();
		memcpy(entry->sums, service->past, sizeof(entry->sums));
	}
}

static struct json_object *report_services(const struct report *report, const uint8_t *told)
{
	struct json_object *services = json_object_new_array();

	begin_entries(report, told);
	report_sockets(report);
	report_routes(report);
	report_bindings(report);
	sum_counters(report);
	for (uint32_t i = 0; i < report->space->n_services; i++) {
		const struct sks_service *service = &report->space->maps.services[i];
		struct entry *entry = &report->entries[i];

		if (entry->told && (service->named || json_object_array_length(entry->sockets)))
			json_object_array_add(services, report_service(service, entry));
	}
	return services;
}

static bool is_told(const struct sks_service *service, uint32_t uid, const char *label,
		    uint32_t epoch)
{
	return sks_alive(service->born, service->died, epoch) &&
	       (uid == SKS_UID_ALL || service->uid == uid) &&
	       (!*label || !strncmp(service->label, label, sizeof(service->label)));
}

static void end_report(struct report *report)
{
	for (uint32_t i = 0; report->entries && i < report->space->n_services; i++) {
		json_object_put(report->entries[i].sockets);
		json_object_put(report->entries[i].bindings);
		json_object_put(report->entries[i].waiting);
		json_object_put(report->entries[i].left_out);
	}
	free(report->entries);
	free(report->resolved);
	sks_routes_free(&report->routes);
}

/* Are others kept from binding what should be theirs no more? Also where there is nothing such. */
static bool are_taken(const struct report *report)
{
	struct sks_range parts[2];
	bool any = false;

	for (size_t i = 0; !any && i < report->routes.n; i++)
		any = sks_route_exclusive(report->space, &report->routes.routes[i], parts);
	return !any || sks_claims_hold(report->space);
}

static struct json_object *report_once(const struct sks_space *space, uint32_t uid,
				       const char *label, uint32_t epoch)
{
	struct report report = {
		.space = space,
		.epoch = epoch,
		.entries = calloc(space->n_services + 1, sizeof(struct entry)),
		.resolved = calloc(space->n_bindings + 1, 1),
	};
	struct json_object *object = NULL;
	uint8_t told[SKS_MAX_SERVICES];
	/* Of others' routes there may be a million. */
	struct sks_scope scope = { .among = told };
	struct sks_verdict verdict;

	for (uint32_t i = 0; i < space->n_services; i++)
		told[i] = is_told(&space->maps.services[i], uid, label, epoch);
	if (!report.entries || !report.resolved ||
	    sks_routes_resolve(space, epoch, scope, NULL, &report.routes, &verdict))
		goto out;
	for (size_t i = 0; i < report.routes.n; i++)
		report.resolved[report.routes.routes[i].binding] = 1;
	if (report.routes.n)
		qsort(report.routes.routes, report.routes.n, sizeof(struct sks_route),
		      by_precedence);
	object = json_object_new_object();
	sks_json_add_number(object, "namespace", space->ino);
	sks_json_add(object, "ports_taken", json_object_new_boolean(are_taken(&report)));
	sks_json_add(object, "services", report_services(&report, told));
out:
	end_report(&report);
	return object;
}

struct json_object *sks_report(const struct sks_space *space, uint32_t uid, const char *label)
{
	struct json_object *object = NULL;
	uint32_t epoch, counting;

	/* A helper at work meanwhile may have freed records of the epoch that we began with. */
	for (int tries = 0; tries < READ_TRIES; tries++) {
		counting = sks_counting(&space->maps);
		epoch = sks_epoch(&space->maps);
		json_object_put(object);
		object = report_once(space, uid, label, epoch);
		if (epoch == sks_epoch(&space->maps) && !(counting & 1) &&
		    counting == sks_counting(&space->maps))
			break;
	}
	return object;
}
