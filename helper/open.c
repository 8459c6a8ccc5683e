// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns opening: a server's own socket is bound here, to a port that its user was granted, because
 * bind(2) was denied to the server itself.
 *
 * Everything but the port's number is the kernel's to judge, as if its user had been allowed to
 * bind: addresses (a grant without a where is for each address that the kernel takes, those that
 * IP_FREEBIND and IP_TRANSPARENT add included: at none of them is more to be had than at the
 * wildcard address), the interface, ports in use. A group of SO_REUSEPORT is by the uid that a
 * socket was created with, which we do not change.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "bpf.h"
#include "log.h"
#include "policy.h"
#include "request.h"
#include "stranger.h"

static int check(struct sks_asked *asked, struct sks_target *target, uint64_t *ret_cookie)
{
	struct sks_socket sock;
	int err;

	err = sks_stranger_read(asked->fd, &sock, &asked->verdict);
	if (err)
		return err;
	err = sks_ask_netns(asked);
	if (err)
		return err;
	if (!target->first)
		return sks_refuse(&asked->verdict, -EACCES, "no port is named");
	target->proto = sock.proto == SKS_UDP ? IPPROTO_UDP : IPPROTO_TCP;
	err = sks_policy_open(&asked->peer, asked->netns, target, &asked->verdict);
	if (!err && sock.port)
		return sks_refuse(&asked->verdict, -EINVAL, "the socket is bound already");
	*ret_cookie = sock.cookie;
	return err;
}

/* Its bind(2) has failed long since, and the server may be about to bind the socket elsewhere. */
static bool has_left(const struct sks_asked *asked)
{
	struct pollfd conn = { .fd = asked->conn, .events = POLLRDHUP };

	return poll(&conn, 1, 0) != 0;
}

static void judge_and_bind(struct sks_asked *asked, const struct sks_address *addr,
			   struct sks_target *target)
{
	char text[SKS_TARGET_STRLEN];
	uint64_t cookie = 0;
	int err;

	if (check(asked, target, &cookie))
		return;
	if (has_left(asked)) {
		(void)sks_refuse(&asked->verdict, -ETIMEDOUT, "the server has not waited");
		return;
	}
	/* Its user's own claims do not stand in its way, others' do. */
	err = sks_bpf_bind_as(cookie, asked->peer.uid, (uint8_t)target->proto, &addr->any)
		      ?: sks_stranger_bind(asked->fd, addr);
	if (err != -ETIMEDOUT) /* else stranger.c says when */
		sks_bpf_bound(cookie);
	if (err)
		(void)sks_refuse(&asked->verdict, err, "%s: %s", sks_target_format(target, text),
				 strerror(-err));
}

static void log_opening(const struct sks_asked *asked, const struct sks_target *target)
{
	char text[SKS_TARGET_STRLEN];

	sks_log_of(asked->peer.uid, asked->verdict.err ? SKS_LOG_WARNING : SKS_LOG_INFO,
		   "user %u process %d opens %s in net-%llu: %s", asked->peer.uid,
		   (int)asked->peer.pid, sks_target_format(target, text),
		   (unsigned long long)asked->netns_ino,
		   asked->verdict.err ? asked->verdict.text : "granted");
}

void sks_ask_open(struct sks_asked *asked)
{
	const struct sks_address addr = sks_ask_address(asked->req);
	struct sks_target target = { .where = SKS_WHERE_PREFIX };

	(void)sks_prefix_from_sockaddr(&addr.any, addr.len, &target.where_prefix, &target.first);
	target.last = target.first;
	judge_and_bind(asked, &addr, &target);
	log_opening(asked, &target);
}
