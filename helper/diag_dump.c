/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the dumps of sock_diag(7): the request, and the filter that the kernel runs for it. */
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "../common/cleanup.h"
#include "netlink.h"

/*
 * The kernel runs this for each socket (inet_diag_bc_run()): an operation goes on by so many bytes
 * if it holds, or else by so many; the end exactly is "list it", beyond the end "do not". It takes
 * only jumps to where a walk by the first of the two comes along: hence the JMP, whose walk goes on
 * to the next range while its run goes to the end.
 */
static void put_filter(struct nlmsghdr *nlh, const struct sks_netlink_wanted *wanted)
{
	struct inet_diag_bc_op
		ops[SKS_DIAG_RANGES * SKS_NETLINK_RANGE / sizeof(struct inet_diag_bc_op)];
	struct inet_diag_bc_op *op = ops;

	if (!wanted->n || wanted->n > SKS_DIAG_RANGES)
		return;
	for (size_t left = wanted->n; left-- > 0; op += 5) {
		const struct sks_port_range *range = &wanted->ranges[wanted->n - 1 - left];

		op[0] = (struct inet_diag_bc_op){ INET_DIAG_BC_S_GE, 8, SKS_NETLINK_RANGE };
		op[1] = (struct inet_diag_bc_op){ .no = range->first };
		op[2] = (struct inet_diag_bc_op){ INET_DIAG_BC_S_LE, 8, SKS_NETLINK_RANGE - 8 };
		op[3] = (struct inet_diag_bc_op){ .no = range->last };
		op[4] = (struct inet_diag_bc_op){ INET_DIAG_BC_JMP, 4,
						  (uint16_t)(left * SKS_NETLINK_RANGE + 4) };
		if (!left) { /* nothing comes after it: beyond the end */
			op[0].no += 4;
			op[2].no += 4;
		}
	}
	mnl_attr_put(nlh, INET_DIAG_REQ_BYTECODE, (size_t)(op - ops) * sizeof(*op), ops);
}

static int dump_family(int sock, uint8_t family, const struct sks_netlink_wanted *wanted,
		       sks_answer_fn *answer, void *data)
{
	_Alignas(struct nlmsghdr) char buf[SKS_NETLINK_REQUEST];
	struct nlmsghdr *nlh = sks_netlink_request(buf, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
	struct inet_diag_req_v2 *req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));

	req->sdiag_family = family;
	req->sdiag_protocol = wanted->proto;
	req->idiag_states = wanted->states;
	put_filter(nlh, wanted);
	return sks_netlink_ask(sock, nlh, answer, data);
}

/* The older request is for TCP alone, and the only one that lists both families in one pass. */
static int dump_tcp(int sock, const struct sks_netlink_wanted *wanted, sks_answer_fn *answer,
		    void *data)
{
	_Alignas(struct nlmsghdr) char buf[SKS_NETLINK_REQUEST];
	struct nlmsghdr *nlh = sks_netlink_request(buf, TCPDIAG_GETSOCK, NLM_F_DUMP);
	struct inet_diag_req *req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));

	req->idiag_family = AF_INET; /* not looked at */
	req->idiag_states = wanted->states;
	put_filter(nlh, wanted);
	return sks_netlink_ask(sock, nlh, answer, data);
}

int sks_netlink_sockets(int netns, const struct sks_netlink_wanted *wanted, sks_answer_fn *answer,
			void *data)
{
	CLEANUP_FD int sock = sks_netlink_open(netns, NETLINK_SOCK_DIAG);
	int err;

	if (sock < 0)
		return sock;
	if (wanted->proto == IPPROTO_TCP)
		return dump_tcp(sock, wanted, answer, data);
	err = dump_family(sock, AF_INET, wanted, answer, data);
	return err ? err : dump_family(sock, AF_INET6, wanted, answer, data);
}
