// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns reply sockets: who gets one, and where. A server whose port is not the one that its client
 * asked sends the answer from there by such a socket. It is bound for whoever has the registered
 * socket, where datagrams are steered to that one's service now; what is done to it before, so that
 * nobody gets more than that, is reply_bind.h's.
 */
#include <errno.h>
#include <string.h>

#include "../common/cleanup.h"
#include "bpf.h"
#include "exclusive.h"
#include "log.h"
#include "process.h"
#include "request.h"
#include "row.h"
#include "slot.h"
#include "stranger.h"

/* What was asked for, and what has been found of it. */
struct wanted {
	struct sks_reply_bind how;
	struct sks_prefix addr;
	uint16_t port;
	uint32_t ifindex; /* that it can be reached by, or 0 */
	uint64_t cookie;  /* of the fresh socket */
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
	wanted->ifindex = sock.ifindex;
	if (!sock.ifindex && asked->req->family == AF_INET6 &&
	    IN6_IS_ADDR_LINKLOCAL(&wanted->how.addr.in6.sin6_addr))
		wanted->ifindex = asked->req->scope;
	return 0;
}

/* The process that asks; its number may be another's by now. */
static bool holds(const struct sks_asked *asked, const struct sks_slot *slot)
{
	bool gone;
	CLEANUP_FD int pidfd = sks_peer_pidfd(asked->conn, &gone);
	const struct sks_process process = { asked->peer.pid, asked->peer.uid, pidfd };

	return !gone && process.pid && sks_process_has(&process, slot->inode, slot->cookie);
}

/* A server may have given up its rights since it was registered. */
static bool is_server(const struct sks_asked *asked, const struct sks_service *service,
		      const struct sks_slot *slot)
{
	return asked->peer.root || asked->peer.uid == service->uid || holds(asked, slot);
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
	if (!is_server(asked, wanted->service, slot))
		return sks_refuse(&asked->verdict, -EPERM,
				  "%s: the registered socket is user %u's, and process %d does not "
				  "have it",
				  wanted->text, wanted->service->uid, (int)asked->peer.pid);
	return 0;
}

/* As the dispatcher does it: the longer prefix, an interface's before all, then precedence. */
static bool wins(const struct sks_route *a, const struct sks_route *b)
{
	if (a->prefix.len != b->prefix.len)
		return a->prefix.len > b->prefix.len;
	if (a->ifindex != b->ifindex)
		return a->ifindex > b->ifindex;
	return sks_route_precedence(a, b) < 0;
}

static const struct sks_route *find_winner(const struct wanted *wanted,
					   const struct sks_routes *routes)
{
	const struct sks_route *winner = NULL;

	for (size_t i = 0; i < routes->n; i++) {
		const struct sks_route *route = &routes->routes[i];

		if (route->first <= wanted->port && wanted->port <= route->last &&
		    sks_prefix_contains(&route->prefix, &wanted->addr) &&
		    (!route->ifindex || route->ifindex == wanted->ifindex) &&
		    (!winner || wins(route, winner)))
			winner = route;
	}
	return winner;
}

static int judge_winner(struct sks_asked *asked, const struct wanted *wanted,
			const struct sks_route *winner)
{
	struct sks_range part;

	if (!winner || winner->dest == SKS_DEST_GUARD ||
	    winner->service != sks_service_number(wanted->space, wanted->service))
		return sks_refuse(&asked->verdict, -EACCES, "%s is not steered to %s", wanted->text,
				  wanted->service->label);
	asked->steered = !sks_route_yields(wanted->space, winner, &part) ||
			 wanted->port < part.first || wanted->port > part.last;
	return 0;
}

/* Does that address lead to the service, now? */
static int check_route(struct sks_asked *asked, const struct wanted *wanted)
{
	struct sks_space *space = wanted->space;
	struct sks_ranges ranges[2] = {};
	const struct sks_scope scope = { .ranges = ranges };
	struct sks_routes routes = {}, pieces = {};
	int err = sks_ranges_add(&ranges[SKS_UDP], wanted->port, wanted->port);

	if (!err)
		err = sks_routes_resolve(space, sks_epoch(&space->maps), scope, NULL, &routes,
					 &asked->verdict);
	if (!err)
		err = sks_routes_cut(space, &routes, &pieces);
	if (err)
		(void)sks_refuse(&asked->verdict, err, "%s: %s", wanted->text, strerror(-err));
	else
		err = judge_winner(asked, wanted, find_winner(wanted, &pieces));
	sks_ranges_free(&ranges[SKS_UDP]);
	sks_routes_free(&routes);
	sks_routes_free(&pieces);
	return err;
}

/* Multicast is never steered, and the wildcard address would be in the way of others. */
static int check_address(struct sks_asked *asked, const struct wanted *wanted)
{
	const struct sks_prefix *addr = &wanted->addr;
	bool multicast = addr->family == AF_INET ? (addr->addr[0] & 0xf0) == 0xe0
						 : addr->addr[0] == 0xff;

	if (!addr->len || multicast)
		return sks_refuse(&asked->verdict, -EINVAL,
				  "%s is no address that a datagram is steered by", wanted->text);
	return 0;
}

static void judge_and_bind(struct sks_asked *asked, struct wanted *wanted)
{
	int err;

	read_request(asked, wanted);
	if (check_address(asked, wanted) || check_socket(asked, wanted) ||
	    find_service(asked, wanted) || check_route(asked, wanted))
		return;
	/* The service's own claims do not stand in its way, others' do. */
	err = sks_bpf_bind_as(wanted->cookie, wanted->service->uid)
		      ?: sks_stranger_bind_reply(asked->fd, &wanted->how);
	if (err != -ETIMEDOUT) /* else stranger.c says when */
		sks_bpf_bound(wanted->cookie);
	if (err)
		(void)sks_refuse(&asked->verdict, err, "%s: %s", wanted->text, strerror(-err));
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
