// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns what is done to a reply socket (see reply_bind.h). The filter comes before the port does, so
 * there is no moment at which somebody else's datagram could get in.
 */
#include <errno.h>
#include <linux/filter.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>

#include "reply_bind.h"

#define IPV4_SOURCE 12 /* in the IP header */
#define IPV6_SOURCE 8
#define WORDS_MAX   4
#define ALLOWED	    2			/* peers: the peer, and the server's own socket */
#define ALLOW_LEN   (3 + 2 * WORDS_MAX) /* instructions for each, at most */

struct filter {
	struct sock_filter ops[4 + ALLOWED * ALLOW_LEN];
	unsigned short len;
};

static void put(struct filter *filter, uint16_t code, uint32_t k, uint8_t on_false)
{
	filter->ops[filter->len++] = (struct sock_filter){ code, 0, on_false, k };
}

/* Accepts what comes from there; else what follows decides. words: of the address, at off in the IP
 * header. */
static void put_allowed(struct filter *filter, const uint8_t *addr, unsigned int words,
			uint32_t off, uint16_t port)
{
	uint8_t left = (uint8_t)(1 + 2 * words);
	uint32_t word;

	put(filter, BPF_LD | BPF_H | BPF_ABS, 0, 0); /* the filter sees the UDP header first */
	put(filter, BPF_JMP | BPF_JEQ | BPF_K, port, left);
	for (unsigned int i = 0; i < words; i++) {
		memcpy(&word, addr + 4 * i, sizeof(word));
		left -= 2;
		put(filter, BPF_LD | BPF_W | BPF_ABS, (uint32_t)SKF_NET_OFF + off + 4 * i, 0);
		put(filter, BPF_JMP | BPF_JEQ | BPF_K, ntohl(word), left);
	}
	put(filter, BPF_RET | BPF_K, UINT32_MAX, 0);
}

/* IPv4, in the last four bytes of an IPv6 address. */
static bool is_mapped(const struct sks_address *addr)
{
	return addr->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&addr->in6.sin6_addr);
}

static struct filter filter_for(const struct sks_reply_bind *how)
{
	const struct sks_address *addr = &how->addr;
	bool ipv6 = addr->any.sa_family == AF_INET6, mapped = is_mapped(addr);
	const uint8_t *own = ipv6 ? addr->in6.sin6_addr.s6_addr
				  : (const uint8_t *)&addr->in.sin_addr;
	unsigned int words = ipv6 && !mapped ? 4 : 1, skip = mapped ? 12 : 0;
	uint32_t off = words == 4 ? IPV6_SOURCE : IPV4_SOURCE;
	struct filter filter = {};

	if (how->peer_port) {
		put(&filter, BPF_LD | BPF_B | BPF_ABS, (uint32_t)SKF_NET_OFF, 0);
		put(&filter, BPF_ALU | BPF_RSH | BPF_K, 4, 0);
		put(&filter, BPF_JMP | BPF_JEQ | BPF_K, words == 4 ? 6 : 4,
		    (uint8_t)(ALLOWED * (3 + 2 * words)));
		put_allowed(&filter, how->peer_addr + skip, words, off, how->peer_port);
		put_allowed(&filter, own + skip, words, off, how->own_port);
	}
	put(&filter, BPF_RET | BPF_K, 0, 0);
	return filter;
}

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

/* Another thread may have put its own there, between the two calls. */
static bool is_there(int fd, const struct filter *filter)
{
	struct sock_filter ops[sizeof(filter->ops) / sizeof(*filter->ops)] = {};
	socklen_t n = sizeof(ops) / sizeof(*ops); /* instructions, not bytes */

	return !getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, ops, &n) && n == filter->len &&
	       !memcmp(ops, filter->ops, n * sizeof(*ops));
}

static int lock_filter(int fd, struct filter *filter)
{
	const struct sock_fprog prog = { filter->len, filter->ops };

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)))
		return -errno;
	return set_int(fd, SOL_SOCKET, SO_LOCK_FILTER, 1) ?: is_there(fd, filter) ? 0 : -EPERM;
}

/*
 * By these options sock_diag(7) tells it from those that their owners have shut for reading. They
 * make no difference to a socket that receives nothing and is bound to a port. Of one that is not
 * connected shutdown(2) says so, and does it all the same.
 */
static int mark(int fd)
{
	if (shutdown(fd, SHUT_RD) && errno != ENOTCONN)
		return -errno;
	return set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
		       ?: set_int(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
}

/* A client may have asked an address that is only routed here. */
static int set_options(int fd, const struct sks_address *addr)
{
	int err = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (err || addr->any.sa_family == AF_INET)
		return err ?: set_int(fd, IPPROTO_IP, IP_FREEBIND, 1);
	return set_int(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1)
		       ?: set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, !is_mapped(addr));
}

static struct sks_address peer_of(const struct sks_reply_bind *how)
{
	struct sks_address peer = how->addr;

	if (peer.any.sa_family == AF_INET) {
		peer.in.sin_port = htons(how->peer_port);
		memcpy(&peer.in.sin_addr, how->peer_addr, sizeof(peer.in.sin_addr));
	} else {
		peer.in6.sin6_port = htons(how->peer_port);
		memcpy(&peer.in6.sin6_addr, how->peer_addr, sizeof(peer.in6.sin6_addr));
	}
	return peer;
}

/* Other threads may have bound it, or to an interface, before bind(2) had its lock. */
static bool is_as_judged(int fd, const struct sks_reply_bind *how)
{
	struct sks_address is = {}, judged = how->addr;
	socklen_t len = sizeof(is.in6), int_len = sizeof(int);
	int ifindex = -1;

	if (getsockname(fd, &is.any, &len) || len != judged.len ||
	    is.any.sa_family != judged.any.sa_family ||
	    getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &ifindex, &int_len) ||
	    (uint32_t)ifindex != how->ifindex)
		return false;
	if (is.any.sa_family == AF_INET)
		return is.in.sin_port == judged.in.sin_port &&
		       is.in.sin_addr.s_addr == judged.in.sin_addr.s_addr;
	return is.in6.sin6_port == judged.in6.sin6_port &&
	       !memcmp(&is.in6.sin6_addr, &judged.in6.sin6_addr, sizeof(is.in6.sin6_addr));
}

/* Whoever asked has been refused by now. */
static bool is_late(int judge)
{
	struct pollfd conn = { .fd = judge, .events = POLLRDHUP };

	return judge >= 0 && poll(&conn, 1, 0) > 0;
}

static int bind_and_connect(int fd, const struct sks_reply_bind *how, int judge)
{
	const struct sks_address peer = peer_of(how);
	struct filter filter = filter_for(how);
	int err = lock_filter(fd, &filter);

	if (!err && !how->peer_port)
		err = mark(fd);
	err = err ?: set_options(fd, &how->addr);
	if (err || is_late(judge))
		return err ?: -ETIMEDOUT;
	if (bind(fd, &how->addr.any, how->addr.len) ||
	    (how->peer_port && connect(fd, &peer.any, peer.len)))
		return -errno;
	if (is_late(judge))
		return -ETIMEDOUT;
	return is_as_judged(fd, how) ? 0 : -EBUSY;
}

int sks_reply_bind(int fd, const struct sks_reply_bind *how, int judge)
{
	int err = bind_and_connect(fd, how, judge);

	/* Whatever port it may have: done, though an unconnected one says that it is not connected.
	 */
	if (err)
		(void)shutdown(fd, SHUT_RDWR);
	return err;
}
