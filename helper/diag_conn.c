/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the list of sockets by state, as sock_diag(7) tells it. */
#include "diag_conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "netlink.h"

#define CONNS_MAX	 (1u << 20)
#define TCP_NEW_SYN_RECV 12 /* the kernel's own: a request that is no socket yet */

struct growing {
	struct sks_conn_list list;
	size_t room;
};

static struct sks_conn *append(struct growing *g)
{
	if (g->list.n == g->room) {
		size_t room = g->room ? 2 * g->room : 64;
		struct sks_conn *bigger = reallocarray(g->list.conns, room, sizeof(*bigger));

		if (!bigger)
			return NULL;
		g->list.conns = bigger;
		g->room = room;
	}
	return memset(&g->list.conns[g->list.n++], 0, sizeof(struct sks_conn));
}

static int take_conn(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	struct growing *g = data;
	struct sks_conn *conn;
	size_t len;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg))
		return -EPROTO;
	if (g->list.n == CONNS_MAX)
		return -E2BIG;
	conn = append(g);
	if (!conn)
		return -ENOMEM;
	conn->cookie = (uint64_t)msg->id.idiag_cookie[1] << 32 | msg->id.idiag_cookie[0];
	conn->inode = msg->idiag_inode;
	conn->queue = msg->idiag_rqueue;
	conn->local_port = ntohs(msg->id.idiag_sport);
	conn->remote_port = ntohs(msg->id.idiag_dport);
	conn->family = msg->idiag_family;
	conn->state = msg->idiag_state;
	len = conn->family == AF_INET ? 4 : 16;
	memcpy(conn->local, msg->id.idiag_src, len);
	memcpy(conn->remote, msg->id.idiag_dst, len);
	return 0;
}

int sks_diag_conns(int netns, uint8_t proto, uint32_t states, const struct sks_port_range *ranges,
		   size_t n, struct sks_conn_list *ret_list)
{
	struct sks_netlink_wanted wanted = { proto, states, ranges, n };
	struct growing g = { 0 };
	int err = -EINTR;

	if (states & 1u << TCP_SYN_RECV)
		wanted.states |= 1u << TCP_NEW_SYN_RECV;
	for (int i = 0; i < SKS_DIAG_ATTEMPTS && err == -EINTR; i++) {
		g.list.n = 0;
		err = sks_netlink_sockets(netns, &wanted, take_conn, &g);
	}
	if (err) {
		sks_conns_free(&g.list);
		return err == -EINTR ? -EAGAIN : err;
	}
	*ret_list = g.list;
	return 0;
}

void sks_conns_free(struct sks_conn_list *list)
{
	free(list->conns);
	*list = (struct sks_conn_list){ 0 };
}
