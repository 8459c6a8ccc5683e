// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns how the answer to who would get a packet is written down (see lookup.h). */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "lookup.h"
#include "report.h"
#include "slot.h"

static const char *const verdicts[] = {
	[SKS_LOOKUP_PASSED] = "not steered",
	[SKS_LOOKUP_STEERED] = "steered",
	[SKS_LOOKUP_REFUSED] = "refused",
	[SKS_LOOKUP_CONNECTED] = "connected",
};

static const struct sks_service *service_of(const struct sks_lookup *lookup,
					    const struct sks_route *route)
{
	return &lookup->space->maps.services[route->service];
}

static struct json_object *report_service(const struct sks_service *service)
{
	struct json_object *object = json_object_new_object(), *owner = json_object_new_object();

	sks_json_add_string(object, "label", service->label);
	sks_json_add_number(owner, "uid", service->uid);
	sks_json_add(object, "owner", owner);
	sks_json_add(object, "ephemeral", json_object_new_boolean(!service->named));
	return object;
}

/* Of which the piece is one: ports that its service leaves out are not cut out of a binding's. */
static const struct sks_route *whole_of(const struct sks_lookup *lookup,
					const struct sks_route *piece)
{
	for (size_t i = 0; i < lookup->routes.n; i++) {
		const struct sks_route *route = &lookup->routes.routes[i];

		if (route->binding == piece->binding && route->dest == piece->dest &&
		    sks_prefix_equal(&route->prefix, &piece->prefix))
			return route;
	}
	return piece;
}

/* Is it open at every address of the other family as well? The grammar's "any". */
static bool is_any(const struct sks_lookup *lookup, const struct sks_route *one)
{
	for (size_t i = 0; !one->prefix.len && i < lookup->routes.n; i++) {
		const struct sks_route *route = &lookup->routes.routes[i];

		if (route->binding == one->binding && !route->prefix.len &&
		    route->prefix.family != one->prefix.family)
			return true;
	}
	return false;
}

static struct json_object *report_binding(const struct sks_lookup *lookup,
					  const struct sks_route *piece)
{
	const struct sks_route *route = whole_of(lookup, piece);
	struct json_object *binding = sks_report_route(route), *ports;
	char prefix[SKS_PREFIX_STRLEN], text[SKS_ROUTE_STRLEN];

	(void)json_object_object_get_ex(binding, "ports", &ports);
	(void)snprintf(text, sizeof(text), "%s:%s/%s",
		       is_any(lookup, route) ? "any" : sks_prefix_format(&route->prefix, prefix),
		       json_object_get_string(ports), route->proto == SKS_UDP ? "udp" : "tcp");
	sks_json_add_string(binding, "text", text);
	return binding;
}

/* A socket that is not registered, with the names of one that is. */
static struct json_object *report_held(const struct sks_lookup *lookup, const struct sks_held *held)
{
	struct json_object *object = json_object_new_object();
	bool v6 = held->addr.family == AF_INET6, tcp = lookup->packet.proto == SKS_TCP;

	sks_json_add_string(object, "family", held->both_families ? "dual" : v6 ? "ipv6" : "ipv4");
	sks_json_add_string(object, "protocol", tcp ? "tcp" : "udp");
	if (held->addr.len)
		sks_json_add_address(object, "address", &held->addr);
	else
		sks_json_add_string(object, "address", v6 ? "::" : "0.0.0.0");
	sks_json_add_number(object, "port", held->port);
	if (held->ifindex)
		sks_json_add_number(object, "ifindex", held->ifindex);
	sks_json_add_number(object, "uid", held->uid);
	sks_json_add_number(object, "cookie", held->cookie);
	sks_json_add_number(object, "inode", held->inode);
	return object;
}

static struct json_object *report_sockets(const struct sks_lookup *lookup)
{
	struct json_object *sockets = json_object_new_array();

	for (size_t i = 0; i < lookup->n_slots; i++)
		json_object_array_add(sockets, sks_report_socket(lookup->space, lookup->slots[i],
								 lookup->epoch));
	if (!lookup->n_slots && !lookup->overruled && lookup->is_found &&
	    lookup->kind != SKS_LOOKUP_PASSED)
		json_object_array_add(sockets, report_held(lookup, &lookup->found));
	return sockets;
}

/* Is it one of those, to which the packet goes? */
static bool gets_it(const struct sks_lookup *lookup, const struct sks_held *held)
{
	for (size_t i = 0; i < lookup->n_slots; i++) {
		if (lookup->space->maps.slots[lookup->slots[i]].cookie == held->cookie)
			return true;
	}
	return lookup->is_found && lookup->found.cookie == held->cookie;
}

/* Would the kernel take the packet to it, if nothing better were there? */
static bool would_take(const struct sks_lookup *lookup, const struct sks_held *held)
{
	const struct sks_packet *packet = &lookup->packet;

	if (held->idle || held->reply || (held->ifindex && held->ifindex != packet->ifindex) ||
	    gets_it(lookup, held))
		return false;
	if (held->addr.len)
		return sks_prefix_equal(&held->addr, &packet->local);
	return held->addr.family == packet->local.family || held->both_families;
}

/* The better ones first, as the kernel rates them. */
static int by_worth(const void *pa, const void *pb)
{
	const struct sks_held *a = pa, *b = pb;

	return b->addr.len - a->addr.len ?: (b->ifindex > 0) - (a->ifindex > 0)
		       ?: a->both_families - b->both_families
				  ?: (a->cookie > b->cookie) - (a->cookie < b->cookie);
}

/* Who would get it but for us; or who does, where we have no part in it. */
static struct json_object *report_listeners(const struct sks_lookup *lookup)
{
	struct json_object *listeners = json_object_new_array();
	const struct sks_held_list *list = &lookup->held;

	if (lookup->kind == SKS_LOOKUP_PASSED || lookup->overruled) {
		if (lookup->is_found)
			json_object_array_add(listeners, report_held(lookup, &lookup->found));
		return listeners;
	}
	if (list->n)
		qsort(list->held, list->n, sizeof(*list->held), by_worth);
	for (size_t i = 0; i < list->n; i++) {
		if (would_take(lookup, &list->held[i]))
			json_object_array_add(listeners, report_held(lookup, &list->held[i]));
	}
	return listeners;
}

/*
 * Interfaces on which sockets of their own listen at that place; the question was of none of them.
 */
static struct json_object *report_interfaces(const struct sks_lookup *lookup)
{
	const struct sks_packet *packet = &lookup->packet;
	struct json_object *interfaces = json_object_new_array();
	uint32_t last = 0;

	for (size_t i = 0; !packet->ifindex && i < lookup->pieces.n; i++) {
		const struct sks_route *route = &lookup->pieces.routes[i];
		char name[IF_NAMESIZE];

		if (!route->ifindex || route->ifindex == last ||
		    !sks_prefix_contains(&route->prefix, &packet->local) ||
		    !if_indextoname(route->ifindex, name))
			continue;
		last = route->ifindex;
		json_object_array_add(interfaces, json_object_new_string(name));
	}
	return interfaces;
}

/* A socket that stands by, if the service has one there. */
static bool stands_by(const struct sks_lookup *lookup, uint16_t dest)
{
	for (uint32_t i = 1; i < lookup->space->n_slots; i++) {
		const struct sks_slot *slot = &lookup->space->maps.slots[i];

		if (slot->cookie && slot->dest == dest &&
		    sks_slot_stands_by(lookup->space, i, lookup->epoch))
			return true;
	}
	return false;
}

static const char *reason_of(const struct sks_lookup *lookup)
{
	const struct sks_route *route = lookup->route;

	if (!route)
		return "the program drops it";
	if (route->dest == SKS_DEST_GUARD)
		return "its server is bound there instead of to the port that it asked for, and "
		       "only this machine reaches it there";
	if (sks_lookup_is_up(lookup))
		return "its socket takes nothing: it is shut down, or connected";
	return stands_by(lookup, route->dest) ? "its server stands by" : "its server is down";
}

struct json_object *sks_lookup_report(const struct sks_lookup *lookup)
{
	struct json_object *object = json_object_new_object();
	bool ours = lookup->kind == SKS_LOOKUP_STEERED || lookup->kind == SKS_LOOKUP_REFUSED;

	sks_json_add_string(object, "verdict", verdicts[lookup->kind]);
	if (lookup->kind == SKS_LOOKUP_REFUSED)
		sks_json_add_string(object, "reason", reason_of(lookup));
	if (ours && lookup->route) {
		sks_json_add(object, "service", report_service(service_of(lookup, lookup->route)));
		sks_json_add(object, "binding", report_binding(lookup, lookup->route));
	}
	sks_json_add(object, "sockets", report_sockets(lookup));
	if (lookup->left) {
		struct json_object *left = report_binding(lookup, lookup->left);

		sks_json_add_string(left, "label", service_of(lookup, lookup->left)->label);
		sks_json_add(object, "left_out", left);
	}
	sks_json_add(object, "interfaces", report_interfaces(lookup));
	if (lookup->overruled)
		sks_json_add(object, "overruled", json_object_new_boolean(true));
	sks_json_add(object, "listeners", report_listeners(lookup));
	return object;
}
