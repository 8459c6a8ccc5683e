// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the question to the kernel which socket it would take a packet to, by sock_diag(7). */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>

#include "../common/cleanup.h"
#include "netlink.h"
#include "packet.h"

struct answer {
	bool tcp;
	struct sks_held held;
};

static int take_answer(const struct nlmsghdr *nlh, void *data)
{
	struct answer *answer = data;

	return sks_held_read(nlh, answer->tcp, &answer->held);
}

static void set_end(const struct sks_prefix *addr, uint16_t port, __be32 ret_addr[4],
		    __be16 *ret_port)
{
	memcpy(ret_addr, addr->addr, sizeof(addr->addr));
	*ret_port = htons(port);
}

int sks_diag_find(int netns, const struct sks_packet *packet, uint32_t ifindex,
		  struct sks_held *ret_held)
{
	_Alignas(struct nlmsghdr) char buf[SKS_NETLINK_REQUEST];
	CLEANUP_FD int sock = sks_netlink_open(netns, NETLINK_SOCK_DIAG);
	struct nlmsghdr *nlh = sks_netlink_request(buf, SOCK_DIAG_BY_FAMILY, 0);
	struct inet_diag_req_v2 *req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));
	struct answer answer = { .tcp = packet->proto == SKS_TCP };
	struct inet_diag_sockid *id = &req->id;
	int err;

	if (sock < 0)
		return sock;
	req->sdiag_family = packet->local.family;
	req->sdiag_protocol = answer.tcp ? IPPROTO_TCP : IPPROTO_UDP;
	/* For historical reasons, as the kernel puts it, UDP's are the other way round. */
	set_end(&packet->local, packet->local_port, answer.tcp ? id->idiag_src : id->idiag_dst,
		answer.tcp ? &id->idiag_sport : &id->idiag_dport);
	set_end(&packet->remote, packet->remote_port, answer.tcp ? id->idiag_dst : id->idiag_src,
		answer.tcp ? &id->idiag_dport : &id->idiag_sport);
	id->idiag_if = ifindex;
	memset(id->idiag_cookie, 0xff, sizeof(id->idiag_cookie)); /* INET_DIAG_NOCOOKIE */
	err = sks_netlink_ask(sock, nlh, take_answer, &answer);
	if (!err)
		*ret_held = answer.held;
	return err;
}
