/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the netlink questions about a namespace: which sockets hold ports (sock_diag), whether a
 * prefix is local (rtnetlink). Each question opens its own socket there and closes it.
 */
#include "diag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../common/cleanup.h"
#include "diag_reply.h"
#include "netlink.h"

#define TCP_BOUND_INACTIVE 13 /* sock_diag's own: asked for so, and told as TCP_CLOSE */

#define HELD_MAX (1u << 20) /* a namespace with more is refused rather than served slowly */

struct growing {
	struct sks_held_list list;
	size_t room;
	bool tcp;
};

static int append(struct growing *g, const struct sks_held *held)
{
	if (g->list.n == HELD_MAX)
		return -E2BIG;
	if (g->list.n == g->room) {
		size_t room = g->room ? 2 * g->room : 64;
		struct sks_held *bigger = reallocarray(g->list.held, room, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		g->list.held = bigger;
		g->room = room;
	}
	g->list.held[g->list.n++] = *held;
	return 0;
}

static int address_of(const struct inet_diag_msg *msg, struct sks_prefix *ret_addr,
		      uint16_t *ret_port)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = msg->id.idiag_sport };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = msg->id.idiag_sport };

	if (msg->idiag_family == AF_INET) {
		memcpy(&sin.sin_addr, msg->id.idiag_src, sizeof(sin.sin_addr));
		return sks_prefix_from_sockaddr((const struct sockaddr *)&sin, sizeof(sin),
						ret_addr, ret_port);
	}
	memcpy(&sin6.sin6_addr, msg->id.idiag_src, sizeof(sin6.sin6_addr));
	return sks_prefix_from_sockaddr((const struct sockaddr *)&sin6, sizeof(sin6), ret_addr,
					ret_port);
}

/* What the kernel adds unasked to IPv6 sockets that listen or are unconnected. */
static int take_v6only(const struct nlattr *attr, void *data)
{
	uint8_t *v6only = data;

	if (mnl_attr_get_type(attr) == INET_DIAG_SKV6ONLY &&
	    mnl_attr_get_payload_len(attr) >= sizeof(*v6only))
		*v6only = mnl_attr_get_u8(attr);
	return MNL_CB_OK;
}

int sks_held_read(const struct nlmsghdr *nlh, bool tcp, struct sks_held *ret_held)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	struct sks_held held;
	uint8_t v6only = 0;
	int err;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg))
		return -EPROTO;
	memset(&held, 0, sizeof(held));
	err = address_of(msg, &held.addr, &held.port);
	if (err)
		return err;
	mnl_attr_parse(nlh, sizeof(*msg), take_v6only, &v6only);
	/* Bound to ::ffff:0.0.0.0, an IPv6 socket takes IPv4 alone: it is AF_INET here. */
	held.both_families = held.addr.family == AF_INET6 && held.addr.len == 0 && !v6only;
	held.state = msg->idiag_state;
	held.idle = tcp && msg->idiag_state != TCP_LISTEN;
	held.reply = !tcp && sks_reply_is_marked(nlh);
	held.ifindex = msg->id.idiag_if;
	held.uid = msg->idiag_uid;
	held.inode = msg->idiag_inode;
	held.cookie = (uint64_t)msg->id.idiag_cookie[1] << 32 | msg->id.idiag_cookie[0];
	*ret_held = held;
	return 0;
}

static int take_held(const struct nlmsghdr *nlh, void *data)
{
	struct growing *g = data;
	struct sks_held held;
	int err = sks_held_read(nlh, g->tcp, &held);

	return err || !held.port ? err : append(g, &held);
}

static uint32_t states_of(uint8_t proto)
{
	/* An unconnected UDP socket is in TCP_CLOSE, a connected one in TCP_ESTABLISHED. */
	return proto == IPPROTO_TCP ? 1u << TCP_LISTEN | 1u << TCP_BOUND_INACTIVE : 1u << TCP_CLOSE;
}

int sks_diag_held(int netns, uint8_t proto, const struct sks_port_range *ranges, size_t n,
		  struct sks_held_list *ret_list)
{
	const struct sks_netlink_wanted wanted = { proto, states_of(proto), ranges, n };
	struct growing g = { .tcp = proto == IPPROTO_TCP };
	int err = -EINTR;

	for (int i = 0; i < SKS_DIAG_ATTEMPTS && err == -EINTR; i++) {
		g.list.n = 0;
		err = sks_netlink_sockets(netns, &wanted, take_held, &g);
	}
	if (err) {
		sks_held_free(&g.list);
		return err == -EINTR ? -EAGAIN : err;
	}
	*ret_list = g.list;
	return 0;
}

void sks_held_free(struct sks_held_list *list)
{
	free(list->held);
	*list = (struct sks_held_list){ 0 };
}

struct route {
	uint8_t type; /* RTN_* */
	uint8_t len;
};

static int take_route(const struct nlmsghdr *nlh, void *data)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct route *route = data;

	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm))
		return -EPROTO;
	*route = (struct route){ .type = rtm->rtm_type, .len = rtm->rtm_dst_len };
	return 0;
}

/* The FIB entry that one address of the prefix matches; its host bits are taken from fill. */
static int match_route(int sock, const struct sks_prefix *prefix, uint8_t fill,
		       struct route *ret_route)
{
	_Alignas(struct nlmsghdr) char buf[SKS_NETLINK_REQUEST];
	struct nlmsghdr *nlh = sks_netlink_request(buf, RTM_GETROUTE, 0);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	unsigned int bits = sks_family_bits(prefix->family);
	uint8_t addr[16];

	for (unsigned int i = 0; i < bits / 8; i++) {
		unsigned int fixed = prefix->len > 8 * i ? prefix->len - 8 * i : 0;
		uint8_t host = fixed < 8 ? 0xff >> fixed : 0;

		addr[i] = (prefix->addr[i] & ~host) | (fill & host);
	}
	rtm->rtm_family = prefix->family;
	rtm->rtm_dst_len = (uint8_t)bits;
	rtm->rtm_flags = RTM_F_FIB_MATCH;
	mnl_attr_put(nlh, RTA_DST, bits / 8, addr);
	return sks_netlink_ask(sock, nlh, take_route, ret_route);
}

/* The kernel's answers where no route leads, or one that says so; EINVAL is a blackhole. */
static bool is_no_route(int err)
{
	return err == -ENETUNREACH || err == -EHOSTUNREACH || err == -ESRCH || err == -EACCES ||
	       err == -EINVAL || err == -EAFNOSUPPORT || err == -EOPNOTSUPP;
}

int sks_prefix_is_local(int netns, const struct sks_prefix *prefix)
{
	/*
	 * Any one address tells about the whole prefix, unless something more specific lies there:
	 * often at the lowest (an own address, the broadcast address before Linux 5.14, IPv6
	 * anycast; and 0.0.0.0 means something else). Then two arbitrary ones are tried.
	 */
	static const uint8_t fills[] = { 0x00, 0x55, 0xaa };
	unsigned int bits = sks_family_bits(prefix->family);
	CLEANUP_FD int sock = -1;
	struct route route = { 0 };
	int err;

	if (bits == 0 || prefix->len > bits)
		return -EINVAL;
	sock = sks_netlink_open(netns, NETLINK_ROUTE);
	if (sock < 0)
		return sock;
	for (size_t i = 0; i < sizeof(fills); i++) {
		err = match_route(sock, prefix, fills[i], &route);
		if (!err && route.len <= prefix->len)
			return route.type == RTN_BROADCAST ? SKS_PREFIX_BROADCAST
							   : route.type == RTN_LOCAL;
		if (err && !is_no_route(err))
			return err;
	}
	return 0;
}
