// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the end of reply sockets (see reply_end.h). */
#include <errno.h>
#include <string.h>

#include "../common/cleanup.h"
#include "lead.h"
#include "log.h"
#include "netlink.h"
#include "payer.h"
#include "reply_end.h"
#include "stranger.h"
#include "subids.h"

/* What one change aborts at most: more would keep others waiting. The rest goes with its servers. */
#define ENDED_MAX 1024

bool sks_replies_may_end(const struct sks_space *space, const struct sks_service *service)
{
	uint32_t next = sks_next_epoch(space);

	if (space->touched.all ||
	    sks_owner(service, next)->spec != sks_owner(service, next - 1)->spec)
		return true;
	for (size_t i = 0; i < space->touched.n; i++) {
		const struct sks_binding *binding = &space->maps.bindings[space->touched.list[i]];

		if (binding->proto == SKS_UDP && binding->source != SKS_LEFT_OUT &&
		    binding->died == next)
			return true;
	}
	return false;
}

static int list(int netns, const struct sks_ranges *udp, struct sks_reply_list *ret_list)
{
	struct sks_port_range ranges[SKS_DIAG_RANGES];
	size_t n = udp ? udp->n : 0;

	if (n > SKS_DIAG_RANGES)
		n = 0;
	for (size_t i = 0; i < n; i++)
		ranges[i] = (struct sks_port_range){ (uint16_t)udp->list[i].first,
						     (uint16_t)udp->list[i].last };
	return sks_diag_replies(netns, ranges, n, ret_list);
}

static bool leads(const struct sks_routes *routes, const struct sks_prefix *addr,
		  const struct sks_reply_socket *reply)
{
	const struct sks_route *route =
		sks_lead_find(routes, SKS_UDP, addr, reply->port, reply->ifindex);

	return route && route->dest != SKS_DEST_GUARD;
}

/* Of what we have bound, and was not connected since, those that lead to a service, or do not. */
static void keep(const struct sks_routes *routes, bool lead, struct sks_reply_list *replies)
{
	size_t kept = 0;

	for (size_t i = 0; i < replies->n; i++) {
		const struct sks_reply_socket *reply = &replies->list[i];
		const struct sks_prefix addr = sks_reply_addr(reply);

		if (reply->is_ours && !reply->connected && addr.len &&
		    leads(routes, &addr, reply) == lead)
			replies->list[kept++] = *reply;
	}
	replies->n = kept;
}

void sks_replies_note(const struct sks_space *space, int netns, const struct sks_ranges *udp,
		      struct sks_reply_list *ret_list)
{
	struct sks_reply_list replies = {};
	struct sks_routes routes = {};
	int err;

	*ret_list = (struct sks_reply_list){};
	if ((udp && !udp->n) || list(netns, udp, &replies))
		return;
	err = replies.n ? sks_leads_resolve(space, udp, &routes) : 0;
	if (!err)
		keep(&routes, true, &replies);
	sks_routes_free(&routes);
	if (err || !replies.n)
		sks_replies_free(&replies);
	*ret_list = replies;
}

/* Who is refused for a while if its process keeps it locked. */
static uint32_t payer_of(int netns, uint32_t uid)
{
	uint32_t payer = sks_payer_of_netns(netns);

	return payer == SKS_PAYER_NONE ? sks_subids_owner(uid) : payer;
}

/* One that is waited for in vain is enough of a user. */
static void abort_all(int netns, const struct sks_reply_list *replies)
{
	CLEANUP_FD int sock = sks_netlink_open(netns, NETLINK_SOCK_DIAG);
	static bool said;
	int err = sock < 0 ? sock : 0;

	for (size_t i = 0; !err && i < replies->n && i < ENDED_MAX; i++) {
		const struct sks_reply_socket *reply = &replies->list[i];

		err = sks_stranger_abort(reply, payer_of(netns, reply->uid), sock);
		if (err == -ENOENT || err == -ETIMEDOUT || err == -EBUSY)
			err = 0;
	}
	if (err && !said)
		sks_log(SKS_LOG_INFO,
			"the kernel does not end reply sockets of services that are gone: %s",
			strerror(-err));
	said = said || err;
}

void sks_replies_end(const struct sks_space *space, int netns, struct sks_reply_list *replies)
{
	struct sks_ranges ports = {};
	struct sks_routes routes = {};
	int err = 0;

	for (size_t i = 0; !err && space && i < replies->n; i++)
		err = sks_ranges_add(&ports, replies->list[i].port, replies->list[i].port);
	sks_ranges_merge(&ports);
	if (!err && ports.n)
		err = sks_leads_resolve(space, &ports, &routes);
	if (!err)
		keep(&routes, false, replies);
	if (!err && replies->n)
		abort_all(netns, replies);
	sks_ranges_free(&ports);
	sks_routes_free(&routes);
	sks_replies_free(replies);
}
