/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns what udpecho.c says of a datagram: everything that the call has returned, but for what two
 * runs can't have in common (times, the peer's port).
 */
#ifndef SKSTEER_UDPECHO_TELL_H
#define SKSTEER_UDPECHO_TELL_H

#include <linux/errqueue.h>
#include <stdarg.h>

#include "udpecho.h"

static const struct {
	int level, type;
	const char *name;
} controls[] = {
	{ IPPROTO_IP, IP_PKTINFO, "IP_PKTINFO" },
	{ IPPROTO_IP, IP_ORIGDSTADDR, "IP_ORIGDSTADDR" },
	{ IPPROTO_IP, IP_TTL, "IP_TTL" },
	{ IPPROTO_IP, IP_TOS, "IP_TOS" },
	{ IPPROTO_IP, IP_RECVERR, "IP_RECVERR" },
	{ IPPROTO_IPV6, IPV6_PKTINFO, "IPV6_PKTINFO" },
	{ IPPROTO_IPV6, IPV6_ORIGDSTADDR, "IPV6_ORIGDSTADDR" },
	{ IPPROTO_IPV6, IPV6_HOPLIMIT, "IPV6_HOPLIMIT" },
	{ IPPROTO_IPV6, IPV6_TCLASS, "IPV6_TCLASS" },
	{ IPPROTO_IPV6, IPV6_RECVERR, "IPV6_RECVERR" },
	{ IPPROTO_UDP, UDP_GRO, "UDP_GRO" },
	{ SOL_SOCKET, SO_TIMESTAMP, "SO_TIMESTAMP" },
	{ SOL_SOCKET, SO_TIMESTAMPNS, "SO_TIMESTAMPNS" },
	{ SOL_SOCKET, SO_TIMESTAMPING, "SO_TIMESTAMPING" },
	{ SOL_SOCKET, SO_RXQ_OVFL, "SO_RXQ_OVFL" },
};

static const struct {
	int flag;
	const char *name;
} marks[] = {
	{ MSG_TRUNC, "MSG_TRUNC" },
	{ MSG_CTRUNC, "MSG_CTRUNC" },
	{ MSG_ERRQUEUE, "MSG_ERRQUEUE" },
};

/* fmemopen would allocate; a line is written at once, as several processes share the file. */
struct line {
	char text[1024];
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void say(struct line *line, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line->text + line->len, sizeof(line->text) - line->len, format, args);
	va_end(args);
	if (n > 0 && line->len + (size_t)n < sizeof(line->text))
		line->len += (size_t)n;
}

static void end_line(struct line *line)
{
	say(line, "\n");
	if (write(STDOUT_FILENO, line->text, line->len) != (ssize_t)line->len)
		_exit(1);
	line->len = 0;
}

static void say_address(struct line *line, const void *data)
{
	union address addr;
	char text[80];

	memset(&addr, 0, sizeof(addr));
	memcpy(&addr.in, data, sizeof(addr.in));
	if (addr.any.sa_family == AF_INET6)
		memcpy(&addr.in6, data, sizeof(addr.in6));
	say(line, "(%s)", address_text(&addr, text));
}

static void say_error(struct line *line, const void *data)
{
	struct sock_extended_err error;

	memcpy(&error, data, sizeof(error));
	say(line, "(%s, origin %u, type %u)", strerrorname_np((int)error.ee_errno), error.ee_origin,
	    error.ee_type);
}

static void say_pktinfo(struct line *line, const void *data, int level)
{
	char text[2][INET6_ADDRSTRLEN], name[IF_NAMESIZE] = "none";

	if (level == IPPROTO_IP) {
		struct in_pktinfo info;

		memcpy(&info, data, sizeof(info));
		if_indextoname((unsigned int)info.ipi_ifindex, name);
		say(line, "(%s, %s, %s)", name,
		    inet_ntop(AF_INET, &info.ipi_spec_dst, text[0], sizeof(text[0])),
		    inet_ntop(AF_INET, &info.ipi_addr, text[1], sizeof(text[1])));
	} else {
		struct in6_pktinfo info;

		memcpy(&info, data, sizeof(info));
		if_indextoname(info.ipi6_ifindex, name);
		say(line, "(%s, %s)", name,
		    inet_ntop(AF_INET6, &info.ipi6_addr, text[0], sizeof(text[0])));
	}
}

/* Its value, where two runs have the same, else its length. */
static void say_value(struct line *line, const struct cmsghdr *cmsg)
{
	size_t len = cmsg->cmsg_len - CMSG_LEN(0);
	const void *data = CMSG_DATA(cmsg);
	bool v6 = cmsg->cmsg_level == IPPROTO_IPV6;
	int type = cmsg->cmsg_type, value;

	if (cmsg->cmsg_level == SOL_SOCKET || (len != 1 && len < sizeof(value)))
		say(line, "(%zu bytes)", len);
	else if (type == (v6 ? IPV6_PKTINFO : IP_PKTINFO) && cmsg->cmsg_level != IPPROTO_UDP &&
		 len >= (v6 ? sizeof(struct in6_pktinfo) : sizeof(struct in_pktinfo)))
		say_pktinfo(line, data, cmsg->cmsg_level);
	else if (type == (v6 ? IPV6_ORIGDSTADDR : IP_ORIGDSTADDR) &&
		 len >= (v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in)))
		say_address(line, data);
	else if (type == (v6 ? IPV6_RECVERR : IP_RECVERR) &&
		 len >= sizeof(struct sock_extended_err))
		say_error(line, data);
	else if (len == 1)
		say(line, "(%u)", *(const unsigned char *)data);
	else if (len == sizeof(value))
		say(line, "(%d)", (memcpy(&value, data, sizeof(value)), value));
	else
		say(line, "(%zu bytes)", len);
}

static void say_control(struct line *line, const struct cmsghdr *cmsg)
{
	for (size_t i = 0; i < sizeof(controls) / sizeof(*controls); i++) {
		if (controls[i].level == cmsg->cmsg_level && controls[i].type == cmsg->cmsg_type) {
			say(line, " %s", controls[i].name);
			say_value(line, cmsg);
			return;
		}
	}
	say(line, " control message %d, %d", cmsg->cmsg_level, cmsg->cmsg_type);
}

/* returned: what the call did, which is more than there is where MSG_TRUNC was asked for. */
static void tell_packet(const char *call, ssize_t returned, const struct packet *packet,
			bool has_msg)
{
	struct msghdr *msg = (struct msghdr *)&packet->msg;
	struct line line = {};

	say(&line, "%s %zd name %u", call, returned, packet->peer_len);
	if (has_msg) {
		say(&line, " control %zu flags", msg->msg_controllen);
		for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
			if (msg->msg_flags & marks[i].flag)
				say(&line, " %s", marks[i].name);
		}
		for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
			say_control(&line, c);
	}
	end_line(&line);
}

#endif
