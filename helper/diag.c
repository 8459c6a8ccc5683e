/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the netlink questions about a namespace: which sockets hold ports (sock_diag), whether a
 * prefix is local (rtnetlink). Each question opens its own socket there and closes it.
 */
#include "diag.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "../common/cleanup.h"
#include "inside.h"

#define BATCH_SIZE    32768 /* the largest message that the kernel builds for a dump */
#define RANGE_SIZE    20    /* of the kernel's filter, for each range of ports */
#define REQUEST_SIZE  (128 + SKS_DIAG_RANGES * RANGE_SIZE)
#define HELD_MAX      (1u << 20) /* a namespace with more is refused rather than served slowly */
#define DUMP_ATTEMPTS 4

/* Called for each message of an answer; anything but 0 ends it and is what ask() returns. */
typedef int answer_fn(const struct nlmsghdr *answer, void *data);

static int open_netlink(int netns, int bus)
{
	CLEANUP_FD int sock = sks_inside_socket(netns, AF_NETLINK, SOCK_RAW, bus);
	struct timeval limit = { .tv_sec = 1 };

	if (sock < 0)
		return sock;
	if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
		return -errno;
	return sks_take_fd(&sock);
}

static struct nlmsghdr *new_request(char buf[REQUEST_SIZE], uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh;

	memset(buf, 0, REQUEST_SIZE);
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
static int take_batch(const char *buf, int len, answer_fn *answer, void *data)
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

/*
 * After a failure of the conversation the socket may still hold parts of the answer: ask nothing
 * more on it. An errno that the kernel answered leaves it clean.
 */
static int ask(int sock, const struct nlmsghdr *request, answer_fn *answer, void *data)
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

struct growing {
	struct sks_held_list list;
	size_t room;
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

static int take_v6only(const struct nlattr *attr, void *data)
{
	bool *v6only = data;

	if (mnl_attr_get_type(attr) == INET_DIAG_SKV6ONLY &&
	    mnl_attr_get_payload_len(attr) >= sizeof(uint8_t))
		*v6only = mnl_attr_get_u8(attr) != 0;
	return MNL_CB_OK;
}

static int take_held(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	struct sks_held held;
	bool v6only = false;
	int err;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg))
		return -EPROTO;
	memset(&held, 0, sizeof(held));
	err = address_of(msg, &held.addr, &held.port);
	if (err || held.port == 0)
		return err;
	/* The kernel adds V6ONLY unasked to IPv6 sockets that listen or are unconnected. */
	mnl_attr_parse(nlh, sizeof(*msg), take_v6only, &v6only);
	/* Bound to ::ffff:0.0.0.0, an IPv6 socket takes IPv4 alone: it is AF_INET here. */
	held.both_families = held.addr.family == AF_INET6 && held.addr.len == 0 && !v6only;
	held.uid = msg->idiag_uid;
	held.cookie = (uint64_t)msg->id.idiag_cookie[1] << 32 | msg->id.idiag_cookie[0];
	return append(data, &held);
}

/* Which sockets a dump lists. */
struct wanted {
	uint8_t proto;
	const struct sks_port_range *ranges;
	size_t n; /* 0: on any port */
};

static uint32_t states_of(uint8_t proto)
{
	/* An unconnected UDP socket is in TCP_CLOSE, a connected one in TCP_ESTABLISHED. */
	return 1u << (proto == IPPROTO_TCP ? TCP_LISTEN : TCP_CLOSE);
}

/*
 * The kernel runs this for each socket (inet_diag_bc_run()): an operation goes on by so many bytes
 * if it holds, or else by so many; the end exactly is "list it", beyond the end "do not". It takes
 * only jumps to where a walk by the first of the two comes along: hence the JMP, whose walk goes on
 * to the next range while its run goes to the end.
 */
static void put_filter(struct nlmsghdr *nlh, const struct wanted *wanted)
{
	struct inet_diag_bc_op ops[SKS_DIAG_RANGES * RANGE_SIZE / sizeof(struct inet_diag_bc_op)];
	struct inet_diag_bc_op *op = ops;

	if (!wanted->n)
		return;
	for (size_t left = wanted->n; left-- > 0; op += 5) {
		const struct sks_port_range *range = &wanted->ranges[wanted->n - 1 - left];

		op[0] = (struct inet_diag_bc_op){ INET_DIAG_BC_S_GE, 8, RANGE_SIZE };
		op[1] = (struct inet_diag_bc_op){ .no = range->first };
		op[2] = (struct inet_diag_bc_op){ INET_DIAG_BC_S_LE, 8, RANGE_SIZE - 8 };
		op[3] = (struct inet_diag_bc_op){ .no = range->last };
		op[4] = (struct inet_diag_bc_op){ INET_DIAG_BC_JMP, 4,
						  (uint16_t)(left * RANGE_SIZE + 4) };
		if (!left) { /* nothing comes after it: beyond the end */
			op[0].no += 4;
			op[2].no += 4;
		}
	}
	mnl_attr_put(nlh, INET_DIAG_REQ_BYTECODE, (size_t)(op - ops) * sizeof(*op), ops);
}

static int dump_family(int sock, uint8_t family, const struct wanted *wanted, struct growing *g)
{
	_Alignas(struct nlmsghdr) char buf[REQUEST_SIZE];
	struct nlmsghdr *nlh = new_request(buf, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
	struct inet_diag_req_v2 *req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));

	req->sdiag_family = family;
	req->sdiag_protocol = wanted->proto;
	req->idiag_states = states_of(wanted->proto);
	put_filter(nlh, wanted);
	return ask(sock, nlh, take_held, g);
}

/* The older request is for TCP alone, and the only one that lists both families in one pass. */
static int dump_tcp(int sock, const struct wanted *wanted, struct growing *g)
{
	_Alignas(struct nlmsghdr) char buf[REQUEST_SIZE];
	struct nlmsghdr *nlh = new_request(buf, TCPDIAG_GETSOCK, NLM_F_DUMP);
	struct inet_diag_req *req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));

	req->idiag_family = AF_INET; /* not looked at */
	req->idiag_states = states_of(IPPROTO_TCP);
	put_filter(nlh, wanted);
	return ask(sock, nlh, take_held, g);
}

static int dump_all(int netns, const struct wanted *wanted, struct growing *g)
{
	CLEANUP_FD int sock = open_netlink(netns, NETLINK_SOCK_DIAG);
	int err;

	if (sock < 0)
		return sock;
	g->list.n = 0;
	if (wanted->proto == IPPROTO_TCP)
		return dump_tcp(sock, wanted, g);
	err = dump_family(sock, AF_INET, wanted, g);
	return err ? err : dump_family(sock, AF_INET6, wanted, g);
}

int sks_diag_held(int netns, uint8_t proto, const struct sks_port_range *ranges, size_t n,
		  struct sks_held_list *ret_list)
{
	struct wanted wanted = { proto, ranges, n <= SKS_DIAG_RANGES ? n : 0 };
	struct growing g = { 0 };
	int err = -EINTR;

	/* EINTR: the sockets changed under the dump, which may thus have left one out. */
	for (int i = 0; i < DUMP_ATTEMPTS && err == -EINTR; i++)
		err = dump_all(netns, &wanted, &g);
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
	_Alignas(struct nlmsghdr) char buf[REQUEST_SIZE];
	struct nlmsghdr *nlh = new_request(buf, RTM_GETROUTE, 0);
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
	return ask(sock, nlh, take_route, ret_route);
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
	sock = open_netlink(netns, NETLINK_ROUTE);
	if (sock < 0)
		return sock;
	for (size_t i = 0; i < sizeof(fills); i++) {
		err = match_route(sock, prefix, fills[i], &route);
		if (!err && route.len <= prefix->len)
			return route.type == RTN_LOCAL;
		if (err && !is_no_route(err))
			return err;
	}
	return 0;
}
