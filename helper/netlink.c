/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the conversation with the kernel by netlink: one question, and all of its answer. */
#include "netlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "../common/cleanup.h"
#include "inside.h"

#define BATCH_SIZE 32768 /* the largest message that the kernel builds for a dump */

int sks_netlink_open(int netns, int bus)
{
	CLEANUP_FD int sock = sks_inside_socket(netns, AF_NETLINK, SOCK_RAW, bus);
	struct timeval limit = { .tv_sec = 1 };

	if (sock < 0)
		return sock;
	if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
		return -errno;
	return sks_take_fd(&sock);
}

struct nlmsghdr *sks_netlink_request(char buf[SKS_NETLINK_REQUEST], uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh;

	memset(buf, 0, SKS_NETLINK_REQUEST);
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	return nlh;
}

static ssize_t receive(int sock, char buf[BATCH_SIZE])
{
	struct sockaddr_nl from = { 0 };
	socklen_t from_len;
	ssize_t len;

	do {
		from_len = sizeof(from);
		len = recvfrom(sock, buf, BATCH_SIZE, MSG_TRUNC, (struct sockaddr *)&from,
			       &from_len);
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	/* A namespace's own root may write to our socket in it: only port 0 is the kernel. */
	if (from_len != sizeof(from) || from.nl_pid != 0 || len > BATCH_SIZE)
		return -EPROTO;
	return len;
}

/* NLMSG_DONE carries an errno too: ENOENT for a dump whose diag module is missing. */
static int verdict(const struct nlmsghdr *nlh)
{
	int err;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(err))
		return -EPROTO;
	memcpy(&err, mnl_nlmsg_get_payload(nlh), sizeof(err));
	return err < 0 ? err : 0;
}

/* 1 when more of the answer is to come, 0 when it is complete, or -errno. */
static int take_batch(const char *buf, int len, sks_answer_fn *answer, void *data)
{
	const struct nlmsghdr *nlh = (const void *)buf;
	int err;

	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			return -EINTR;
		if (nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR)
			return verdict(nlh);
		if (nlh->nlmsg_type < NLMSG_MIN_TYPE)
			continue;
		err = answer(nlh, data);
		if (err || !(nlh->nlmsg_flags & NLM_F_MULTI))
			return err;
	}
	return 1;
}

int sks_netlink_ask(int sock, const struct nlmsghdr *request, sks_answer_fn *answer, void *data)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	_Alignas(struct nlmsghdr) char buf[BATCH_SIZE];
	ssize_t len;
	int more;

	if (sendto(sock, request, request->nlmsg_len, 0, (const struct sockaddr *)&kernel,
		   sizeof(kernel)) < 0)
		return -errno;
	do {
		len = receive(sock, buf);
		if (len < 0)
			return (int)len;
		more = take_batch(buf, (int)len, answer, data);
	} while (more > 0);
	return more;
}
