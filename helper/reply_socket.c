// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns reply sockets: who gets one, and where. A server whose port is not the one that its client
 * asked sends the answer from there by such a socket. It is bound for the service's user, and for
 * whoever has been told the registered socket's token, where datagrams are steered to that one's
 * service now; what is done to it before, so that nobody gets more than that, is reply_bind.h's.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "../common/cleanup.h"
#include "bpf.h"
#include "diag.h"
#include "diag_reply.h"
#include "exclusive.h"
#include "lead.h"
#include "log.h"
#include "policy.h"
#include "request.h"
#include "slot.h"
#include "stranger.h"
#include "token.h"

/* What was asked for, and what has been found of it. */
struct wanted {
	struct sks_reply_bind how;
	struct sks_prefix addr;
	uint16_t port;
	uint64_t cookie; /* of the fresh socket */
	struct sks_space *space;
	const struct sks_service *service;
	char text[SKS_ROUTE_STRLEN]; /* the address and port */
};

static void read_request(const struct sks_asked *asked, struct wanted *wanted)
{
	const struct sks_request *req = asked->req;
	struct sks_route place = { .proto = SKS_UDP };

	wanted->how.addr = sks_ask_address(req);
	wanted->how.peer_port = req->peer_port;
	memcpy(wanted->how.peer_addr, req->peer_addr, sizeof(req->peer_addr));
	(void)sks_prefix_from_sockaddr(&wanted->how.addr.any, wanted->how.addr.len, &wanted->addr,
				       &wanted->port);
	place.prefix = wanted->addr;
	place.first = place.last = wanted->port;
	(void)sks_route_format(&place, wanted->text);
}

static int check_socket(struct sks_asked *asked, struct wanted *wanted)
{
	struct sks_socket sock;
	int err = sks_stranger_read(asked->fd, &sock, &asked->verdict) ?: sks_ask_netns(asked);

	if (err)
		return err;
	if (sock.proto != SKS_UDP)
		return sks_refuse(&asked->verdict, -EPROTONOSUPPORT, "the socket is not UDP");
	if (sock.port)
		return sks_refuse(&asked->verdict, -EINVAL, "the socket is bound already");
	if (!(sock.families & SKS_SERVES_AS_V4) != (asked->req->family == AF_INET6))
		return sks_refuse(&asked->verdict, -EAFNOSUPPORT,
				  "%s is of another family than the socket", wanted->text);
	wanted->cookie = sock.cookie;
	if (asked->req->scope && sock.ifindex && sock.ifindex != asked->req->scope)
		return sks_refuse(&asked->verdict, -EINVAL,
				  "%s is of interface %u, and the socket is bound to %u",
				  wanted->text, asked->req->scope, sock.ifindex);
	wanted->how.ifindex = sock.ifindex;
	if (!sock.ifindex && asked->req->family == AF_INET6 &&
	    IN6_IS_ADDR_LINKLOCAL(&wanted->how.addr.in6.sin6_addr))
		wanted->how.ifindex = asked->req->scope;
	return 0;
}

/* A server may have given up its rights since it was registered. */
static bool is_server(const struct sks_asked *asked, const struct sks_service *service,
		      const struct sks_space *space, uint32_t slot)
{
	return asked->peer.root || asked->peer.uid == service->uid ||
	       sks_token_is(space, slot, asked->req->token);
}

static int find_service(struct sks_asked *asked, struct wanted *wanted)
{
	struct sks_space *space = sks_spaces_find(asked->spaces, asked->netns_ino);
	uint32_t i = space ? sks_slot_find(space, asked->req->cookie) : 0;
	const struct sks_slot *slot;
	const struct sks_dest *dest;

	if (!i || space->maps.dests[space->maps.slots[i].dest].proto != SKS_UDP ||
	    !sks_slot_lives(&space->maps, i))
		return sks_refuse(&asked->verdict, -ENOENT,
				  "%s: no UDP socket with that cookie is registered here",
				  wanted->text);
	slot = &space->maps.slots[i];
	dest = &space->maps.dests[slot->dest];
	wanted->space = space;
	wanted->service = sks_service_of_slot(space, i);
	wanted->how.own_port = slot->port ?: dest->port;
	if (!is_server(asked, wanted->service, space, i))
		return sks_refuse(&asked->verdict, -EPERM,
				  "%s: the registered socket is user %u's, and the token is not "
				  "its",
				  wanted->text, wanted->service->uid);
	return 0;
}

/* Has another user the port at the wildcard address? */
static bool is_shadowing(const struct sks_asked *asked, const struct wanted *wanted)
{
	const struct sks_port_range port = { wanted->port, wanted->port };
	struct sks_held_list list = {};
	bool found = false;

	if (sks_diag_held(asked->netns, IPPROTO_UDP, &port, 1, &list))
		return true; /* as far as we know */
	for (size_t i = 0; !found && i < list.n; i++)
		found = !list.held[i].addr.len && list.held[i].uid != wanted->service->uid;
	sks_held_free(&list);
	return found;
}

/*
 * Has another user a socket that this one would be in the way of, or may have? Where the route
 * yields; and at the wildcard address, where the service's user may shadow that.
 */
static bool gives_way(const struct sks_asked *asked, const struct wanted *wanted,
		      const struct sks_route *route)
{
	const struct sks_peer owner = sks_policy_absent(wanted->service->uid);
	struct sks_range part;

	if (route->prefix.len && sks_policy_shadows(&owner) && is_shadowing(asked, wanted))
		return true;
	return sks_route_yields(wanted->space, route, &part) && part.first <= wanted->port &&
	       wanted->port <= part.last;
}

/* Does that address lead to the service, now? */
static int check_route(struct sks_asked *asked, const struct wanted *wanted)
{
	struct sks_range port = { wanted->port, wanted->port };
	const struct sks_ranges udp = { .list = &port, .n = 1 };
	const struct sks_route *route;
	struct sks_routes routes = {};
	int err = sks_leads_resolve(wanted->space, &udp, &routes);

	if (err)
		return sks_refuse(&asked->verdict, err, "%s: %s", wanted->text, strerror(-err));
	route = sks_lead_find(&routes, SKS_UDP, &wanted->addr, wanted->port, wanted->how.ifindex);
	if (!route || route->dest == SKS_DEST_GUARD ||
	    route->service != sks_service_number(wanted->space, wanted->service))
		err = sks_refuse(&asked->verdict, -EACCES, "%s is not steered to %s", wanted->text,
				 wanted->service->label);
	else
		asked->steered = !gives_way(asked, wanted, route);
	sks_routes_free(&routes);
	return err;
}

/*
 * Multicast and broadcast are never steered, and the wildcard address would be in the way of
 * others. IPv4 in IPv6 is IPv4 here.
 */
static int check_address(struct sks_asked *asked, const struct wanted *wanted)
{
	const struct sks_prefix *addr = &wanted->addr;
	uint8_t first = addr->addr[0];
	bool none = addr->family == AF_INET ? !first || first >= 0xe0 : first == 0xff;

	if (!addr->len || none)
		return sks_refuse(&asked->verdict, -EINVAL,
				  "%s is no address that a datagram is steered by", wanted->text);
	return 0;
}

/* The ports of the service's UDP routes, by the current state. */
static int find_ports(const struct wanted *wanted, struct sks_ranges *ret_ports)
{
	const struct sks_scope scope = { .service = wanted->service };
	struct sks_verdict verdict = {}; /* nobody is judged */
	struct sks_routes routes = {};
	int err = sks_routes_resolve(wanted->space, sks_epoch(&wanted->space->maps), scope, NULL,
				     &routes, &verdict);

	for (size_t i = 0; !err && i < routes.n; i++) {
		if (routes.routes[i].proto == SKS_UDP)
			err = sks_ranges_add(ret_ports, routes.routes[i].first,
					     routes.routes[i].last);
	}
	sks_ranges_merge(ret_ports);
	sks_routes_free(&routes);
	return err;
}

/* Of the asker's user, which may not be the service's. */
static int count_replies(const struct sks_asked *asked, const struct wanted *wanted,
			 unsigned int *ret_n)
{
	struct sks_port_range list[SKS_DIAG_RANGES];
	struct sks_ranges ports = {};
	int err = find_ports(wanted, &ports);
	size_t n = ports.n > SKS_DIAG_RANGES ? 0 : ports.n; /* 0: on all ports */

	for (size_t i = 0; i < n; i++)
		list[i] = (struct sks_port_range){ (uint16_t)ports.list[i].first,
						   (uint16_t)ports.list[i].last };
	err = err ?: sks_diag_count_replies(asked->netns, list, n, asked->peer.uid, ret_n);
	sks_ranges_free(&ports);
	return err;
}

/* What is connected to a client is like a connection that was accepted, and does not count. */
static int check_quota(struct sks_asked *asked, const struct wanted *wanted)
{
	uint32_t uid = wanted->service->uid;
	struct sks_peer owner = asked->peer;
	unsigned int n;
	int err;

	if (owner.root || wanted->how.peer_port || (!uid && owner.uid))
		return 0;
	if (owner.uid != uid)
		owner = sks_policy_absent(uid);
	err = count_replies(asked, wanted, &n);
	if (err == -EDQUOT)
		return sks_refuse(&asked->verdict, err,
				  "%s: more than %d UDP sockets are there to be counted",
				  wanted->text, SKS_REPLIES_COUNTED);
	if (err)
		return sks_refuse(&asked->verdict, err,
				  "%s: cannot list the namespace's sockets: %s", wanted->text,
				  strerror(-err));
	return sks_policy_replies(asked->spaces, &owner, n, &asked->verdict);
}

static void judge_and_bind(struct sks_asked *asked, struct wanted *wanted)
{
	int err;

	read_request(asked, wanted);
	if (check_address(asked, wanted) || check_socket(asked, wanted) ||
	    find_service(asked, wanted) || check_route(asked, wanted) || check_quota(asked, wanted))
		return;
	/* The service's own claims do not stand in its way, others' do. */
	err = sks_bpf_bind_as(wanted->cookie, wanted->service->uid, IPPROTO_UDP,
			      &wanted->how.addr.any)
		      ?: sks_stranger_bind_reply(asked->fd, &wanted->how);
	if (err != -ETIMEDOUT) /* else stranger.c says when */
		sks_bpf_bound(wanted->cookie);
	if (err)
		(void)sks_refuse(&asked->verdict, err, "%s: %s", wanted->text, strerror(-err));
	else
		wanted->space->door = asked->peer.pid; /* to find it by when it is to end */
}

void sks_ask_reply_socket(struct sks_asked *asked)
{
	struct wanted wanted = {};

	judge_and_bind(asked, &wanted);
	if (asked->verdict.err)
		sks_log_of(asked->peer.uid, SKS_LOG_WARNING,
			   "user %u process %d gets no reply socket in net-%llu: %s",
			   asked->peer.uid, (int)asked->peer.pid,
			   (unsigned long long)asked->netns_ino, asked->verdict.text);
}
