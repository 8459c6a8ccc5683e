// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns what `status` says of a namespace, read from its maps. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "binding.h"
#include "compile.h"
#include "report.h"
#include "resolve.h"
#include "slot.h"
#include "space.h"

#define READ_TRIES 16

/* While one report is made. */
struct report {
	const struct sks_space *space;
	uint32_t epoch;
	struct sks_routes routes;	 /* in the order in which they win */
	bool resolved[SKS_MAX_BINDINGS]; /* some route comes from it */
};

static const char *proto_name(uint8_t proto)
{
	return proto == SKS_UDP ? "udp" : "tcp";
}

static void add_string(struct json_object *object, const char *key, const char *value)
{
	json_object_object_add(object, key, json_object_new_string(value));
}

static void add_number(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

static void add_ports(struct json_object *object, const char *key, uint16_t first, uint16_t last)
{
	char text[16];

	if (first == last)
		(void)snprintf(text, sizeof(text), "%u", first);
	else if (first == 1 && last == 65535)
		(void)snprintf(text, sizeof(text), "*");
	else
		(void)snprintf(text, sizeof(text), "%u-%u", first, last);
	add_string(object, key, text);
}

/* An address as people write it beside a port in a column of its own: without brackets. */
static void add_address(struct json_object *object, const char *key,
			const struct sks_prefix *prefix)
{
	char text[SKS_PREFIX_STRLEN], *addr = sks_prefix_format(prefix, text);
	size_t len = strlen(addr);

	if (*addr == '[') {
		addr[len - 1] = '\0';
		addr++;
	}
	add_string(object, key, addr);
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
		add_string(socket, "address", families & SKS_SERVES_V6 ? "::" : "0.0.0.0");
	else
		add_address(socket, "address", &addr);
}

static struct json_object *report_socket(const struct sks_space *space, uint32_t i)
{
	const struct sks_slot *slot = &space->maps.slots[i];
	const struct sks_dest *dest = &space->maps.dests[slot->dest];
	struct json_object *socket = json_object_new_object();

	add_string(socket, "family", family_name(slot->families));
	add_string(socket, "protocol", proto_name(dest->proto));
	add_bound_address(socket, dest, slot->families);
	add_number(socket, "port", dest->port);
	if (dest->ifindex)
		add_number(socket, "ifindex", dest->ifindex);
	add_number(socket, "pid", slot->pid);
	add_number(socket, "cookie", slot->cookie);
	add_string(socket, "state", dest->proto == SKS_UDP ? "bound" : "listening");
	add_number(socket, "weight", slot->weight);
	return socket;
}

static struct json_object *report_sockets(const struct report *report, uint16_t number)
{
	const struct sks_space *space = report->space;
	struct json_object *sockets = json_object_new_array();

	for (uint32_t i = 1; i < SKS_MAX_SLOTS; i++) {
		const struct sks_slot *slot = &space->maps.slots[i];

		if (slot->cookie && space->maps.dests[slot->dest].service == number &&
		    sks_slot_lives(&space->maps, i))
			json_object_array_add(sockets, report_socket(space, i));
	}
	return sockets;
}

static struct json_object *report_route(const struct sks_route *route)
{
	struct json_object *binding = json_object_new_object();

	add_string(binding, "protocol", proto_name(route->proto));
	add_address(binding, "prefix", &route->prefix);
	if (route->width > SKS_PORT_NUMBERS - 1)
		add_string(binding, "ports", "*");
	else
		add_ports(binding, "ports", route->first, route->last);
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

static struct json_object *report_bindings(const struct report *report, uint16_t number)
{
	struct json_object *bindings = json_object_new_array();

	for (size_t i = 0; i < report->routes.n; i++) {
		const struct sks_route *route = &report->routes.routes[i];

		if (route->service == number && (!i || by_precedence(route - 1, route) != 0))
			json_object_array_add(bindings, report_route(route));
	}
	return bindings;
}

/* Bindings that steer nothing yet: no listener of theirs has come. */
static struct json_object *report_waiting(const struct report *report, uint16_t number)
{
	struct json_object *waiting = json_object_new_array();
	char text[SKS_TARGET_STRLEN];

	for (uint32_t i = 0; i < SKS_MAX_BINDINGS; i++) {
		const struct sks_binding *binding = &report->space->maps.bindings[i];
		struct sks_target target = sks_binding_target(binding);

		if (!sks_alive(binding->born, binding->died, report->epoch) ||
		    binding->service != number || binding->source == SKS_LEFT_OUT ||
		    report->resolved[i])
			continue;
		json_object_array_add(waiting,
				      json_object_new_string(sks_target_format(&target, text)));
	}
	return waiting;
}

static struct json_object *report_left_out(const struct report *report, uint16_t number)
{
	struct json_object *list = json_object_new_array();

	for (uint32_t i = 0; i < SKS_MAX_BINDINGS; i++) {
		const struct sks_binding *binding = &report->space->maps.bindings[i];
		struct json_object *entry;

		if (!sks_alive(binding->born, binding->died, report->epoch) ||
		    binding->service != number || binding->source != SKS_LEFT_OUT)
			continue;
		entry = json_object_new_object();
		add_string(entry, "protocol", proto_name(binding->proto));
		add_ports(entry, "ports", binding->first, binding->last);
		json_object_array_add(list, entry);
	}
	return list;
}

static struct json_object *report_counters(const struct report *report, uint16_t number)
{
	struct json_object *counters = json_object_new_object();
	struct sks_counter sum = report->space->maps.services[number].past, one;

	for (uint32_t i = 1; i < SKS_MAX_DESTS; i++) {
		const struct sks_dest *dest = &report->space->maps.dests[i];

		if (!sks_alive(dest->born, dest->died, report->epoch) || dest->service != number)
			continue;
		for (uint32_t family = SKS_V4; family <= SKS_V6; family++) {
			if (sks_bpf_counter(&report->space->maps, i, family, &one))
				continue;
			sum.steered += one.steered;
			sum.refused += one.refused;
			sum.errors += one.errors;
		}
	}
	add_number(counters, "steered", sum.steered);
	add_number(counters, "refused", sum.refused);
	add_number(counters, "errors", sum.errors);
	return counters;
}

static struct json_object *report_service(const struct report *report,
					  const struct sks_service *service,
					  struct json_object *sockets)
{
	uint16_t number = sks_service_number(report->space, service);
	struct json_object *object = json_object_new_object();
	struct json_object *owner = json_object_new_object();

	add_string(object, "label", service->label);
	add_number(owner, "uid", service->uid);
	json_object_object_add(object, "owner", owner);
	json_object_object_add(object, "ephemeral", json_object_new_boolean(!service->named));
	json_object_object_add(object, "sockets", sockets);
	json_object_object_add(object, "bindings", report_bindings(report, number));
	json_object_object_add(object, "waiting", report_waiting(report, number));
	json_object_object_add(object, "left_out", report_left_out(report, number));
	json_object_object_add(object, "counters", report_counters(report, number));
	return object;
}

static struct json_object *report_services(const struct report *report, uint32_t uid)
{
	struct json_object *services = json_object_new_array();

	for (uint32_t i = 0; i < SKS_MAX_SERVICES; i++) {
		const struct sks_service *service = &report->space->maps.services[i];
		struct json_object *sockets;

		if (!sks_alive(service->born, service->died, report->epoch) ||
		    (uid != SKS_UID_ALL && service->uid != uid))
			continue;
		sockets = report_sockets(report, (uint16_t)i);
		if (!service->named && !json_object_array_length(sockets))
			json_object_put(sockets);
		else
			json_object_array_add(services, report_service(report, service, sockets));
	}
	return services;
}

static struct json_object *report_once(const struct sks_space *space, uint32_t uid, uint32_t epoch)
{
	struct report report = { .space = space, .epoch = epoch };
	struct json_object *object = json_object_new_object();
	struct sks_verdict verdict;

	if (!object || sks_routes_resolve(space, epoch, NULL, &report.routes, &verdict)) {
		json_object_put(object);
		return NULL;
	}
	for (size_t i = 0; i < report.routes.n; i++)
		report.resolved[report.routes.routes[i].binding] = true;
	if (report.routes.n)
		qsort(report.routes.routes, report.routes.n, sizeof(struct sks_route),
		      by_precedence);
	add_number(object, "namespace", space->ino);
	json_object_object_add(object, "services", report_services(&report, uid));
	sks_routes_free(&report.routes);
	return object;
}

struct json_object *sks_report(const struct sks_space *space, uint32_t uid)
{
	struct json_object *object = NULL;
	uint32_t epoch;

	/* A helper at work meanwhile may have freed records of the epoch that we began with. */
	for (int tries = 0; tries < READ_TRIES; tries++) {
		epoch = sks_epoch(&space->maps);
		json_object_put(object);
		object = report_once(space, uid, epoch);
		if (epoch == sks_epoch(&space->maps))
			break;
	}
	return object;
}

int sks_report_open(const char *dir, uint64_t ino, struct sks_space *ret_space)
{
	struct sks_space space = {
		.ino = ino,
		.n_services = SKS_MAX_SERVICES,
		.n_dests = SKS_MAX_DESTS,
		.n_slots = SKS_MAX_SLOTS,
		.n_bindings = SKS_MAX_BINDINGS,
	};
	uint64_t attached;
	int err = sks_space_path(dir, ino, space.dir, sizeof(space.dir));

	if (!err)
		err = sks_bpf_open(space.dir, false, &space.maps);
	if (err)
		return err;
	err = sks_bpf_netns(&space.maps, &attached);
	if (!err && attached != ino)
		err = -ENOENT; /* the pins of a dead namespace that had the same number */
	if (err)
		sks_bpf_close(&space.maps);
	else
		*ret_space = space;
	return err;
}
