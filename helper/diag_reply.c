// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns how sock_diag(7) tells reply sockets, and ends them (see diag_reply.h). */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "diag_reply.h"
#include "netlink.h"

#define REPLIES_MAX (1u << 20)

struct growing {
	struct sks_reply_list list;
	size_t room;
};

static int append(struct growing *g, const struct sks_reply_socket *reply)
{
	if (g->list.n == REPLIES_MAX)
		return -E2BIG;
	if (g->list.n == g->room) {
		size_t room = g->room ? 2 * g->room : 64;
		struct sks_reply_socket *bigger = reallocarray(g->list.list, room, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		g->list.list = bigger;
		g->room = room;
	}
	g->list.list[g->list.n++] = *reply;
	return 0;
}

/* What the kernel adds unasked, the options since 5.10. */
struct told {
	uint8_t shut; /* 1: for reading */
	struct inet_diag_sockopt options;
};

static int take_told(const struct nlattr *attr, void *data)
{
	struct told *told = data;
	size_t len = mnl_attr_get_payload_len(attr);

	if (mnl_attr_get_type(attr) == INET_DIAG_SHUTDOWN && len >= sizeof(told->shut))
		told->shut = mnl_attr_get_u8(attr);
	if (mnl_attr_get_type(attr) == INET_DIAG_SOCKOPT && len >= sizeof(told->options))
		memcpy(&told->options, mnl_attr_get_payload(attr), sizeof(told->options));
	return MNL_CB_OK;
}

static struct told told_of(const struct nlmsghdr *nlh)
{
	struct told told = {};

	mnl_attr_parse(nlh, sizeof(struct inet_diag_msg), take_told, &told);
	return told;
}

static bool has_mark(const struct told *told)
{
	return told->shut & 1 && told->options.freebind && told->options.bind_address_no_port &&
	       !told->options.mc_all;
}

bool sks_reply_is_marked(const struct nlmsghdr *nlh)
{
	const struct told told = told_of(nlh);

	return has_mark(&told);
}

static int take_reply(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	struct sks_reply_socket reply;
	struct told told;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg))
		return -EPROTO;
	told = told_of(nlh);
	if (!(told.shut & 1) || !msg->id.idiag_sport)
		return 0;
	reply = (struct sks_reply_socket){
		.cookie = (uint64_t)msg->id.idiag_cookie[1] << 32 | msg->id.idiag_cookie[0],
		.uid = msg->idiag_uid,
		.ifindex = msg->id.idiag_if,
		.port = ntohs(msg->id.idiag_sport),
		.family = msg->idiag_family,
		.is_ours = has_mark(&told),
		.connected = msg->idiag_state != TCP_CLOSE,
	};
	memcpy(reply.addr, msg->id.idiag_src, reply.family == AF_INET ? 4 : sizeof(reply.addr));
	return append(data, &reply);
}

int sks_diag_replies(int netns, const struct sks_port_range *ranges, size_t n,
		     struct sks_reply_list *ret_list)
{
	const struct sks_netlink_wanted wanted = { IPPROTO_UDP,
						   1u << TCP_CLOSE | 1u << TCP_ESTABLISHED, ranges,
						   n };
	struct growing g = {};
	int err = -EINTR;

	for (int i = 0; i < SKS_DIAG_ATTEMPTS && err == -EINTR; i++) {
		g.list.n = 0;
		err = sks_netlink_sockets(netns, &wanted, take_reply, &g);
	}
	if (err) {
		sks_replies_free(&g.list);
		return err == -EINTR ? -EAGAIN : err;
	}
	*ret_list = g.list;
	return 0;
}

struct tally {
	uint32_t uid;
	unsigned int n, seen;
};

/* By what its owner can't undo. */
static int count_reply(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	struct tally *tally = data;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg))
		return -EPROTO;
	if (++tally->seen > SKS_REPLIES_COUNTED)
		return -EDQUOT;
	tally->n += msg->idiag_uid == tally->uid && msg->id.idiag_sport && told_of(nlh).shut & 1;
	return 0;
}

int sks_diag_count_replies(int netns, const struct sks_port_range *ranges, size_t n, uint32_t uid,
			   unsigned int *ret_n)
{
	const struct sks_netlink_wanted wanted = { IPPROTO_UDP,
						   1u << TCP_CLOSE | 1u << TCP_ESTABLISHED, ranges,
						   n };
	struct tally tally = { .uid = uid };
	int err = -EINTR;

	for (int i = 0; i < SKS_DIAG_ATTEMPTS && err == -EINTR; i++) {
		tally.n = tally.seen = 0;
		err = sks_netlink_sockets(netns, &wanted, count_reply, &tally);
	}
	if (err)
		return err == -EINTR ? -EAGAIN : err;
	*ret_n = tally.n;
	return 0;
}

void sks_replies_free(struct sks_reply_list *list)
{
	free(list->list);
	*list = (struct sks_reply_list){};
}

struct sks_prefix sks_reply_addr(const struct sks_reply_socket *reply)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sks_prefix addr = {};
	uint16_t port;

	memcpy(&sin.sin_addr, reply->addr, sizeof(sin.sin_addr));
	memcpy(&sin6.sin6_addr, reply->addr, sizeof(sin6.sin6_addr));
	if (reply->family == AF_INET)
		(void)sks_prefix_from_sockaddr((const struct sockaddr *)&sin, sizeof(sin), &addr,
					       &port);
	else
		(void)sks_prefix_from_sockaddr((const struct sockaddr *)&sin6, sizeof(sin6), &addr,
					       &port);
	return addr;
}

/* The acknowledgement is all that comes. */
static int take_nothing(const struct nlmsghdr *nlh, void *data)
{
	(void)nlh;
	(void)data;
	return -EPROTO;
}

int sks_diag_abort(int sock, const struct sks_reply_socket *reply)
{
	_Alignas(struct nlmsghdr) char buf[SKS_NETLINK_REQUEST];
	struct nlmsghdr *nlh = sks_netlink_request(buf, SOCK_DESTROY, NLM_F_ACK);
	struct inet_diag_req_v2 *req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));

	req->sdiag_family = reply->family;
	req->sdiag_protocol = IPPROTO_UDP;
	req->idiag_states = UINT32_MAX;
	req->id.idiag_sport = htons(reply->port);
	memcpy(req->id.idiag_src, reply->addr, sizeof(reply->addr));
	/* The kernel looks for IPv4 only where both addresses are. */
	if (reply->family == AF_INET6 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)reply->addr))
		req->id.idiag_dst[2] = htonl(0xffff);
	req->id.idiag_if = reply->ifindex;
	req->id.idiag_cookie[0] = (uint32_t)reply->cookie;
	req->id.idiag_cookie[1] = (uint32_t)(reply->cookie >> 32);
	return sks_netlink_ask(sock, nlh, take_nothing, NULL);
}
