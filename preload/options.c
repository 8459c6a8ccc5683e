/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns which options of a server's UDP socket a socket of ours has as well (see options.h). */
#include "options.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/raw.h"

/* Of headers newer than some libc's. */
#define OPT_BINDTOIFINDEX      62
#define OPT_UDP_SEGMENT	       103
#define OPT_UDP_GRO	       104
#define OPT_IPV6_UNICAST_IF    76
#define OPT_IPV6_AUTOFLOWLABEL 70
#define OPT_IP_UNICAST_IF      50

struct option {
	uint16_t level, name;
	bool doubled; /* the kernel says twice what it was told */
};

/* The interface first: the rest is about routes there. SO_PRIORITY after IP_TOS, which sets it. */
static const struct option sent[] = {
	{ SOL_SOCKET, OPT_BINDTOIFINDEX, false },
	{ SOL_SOCKET, SO_SNDBUF, true },
	{ SOL_SOCKET, SO_BROADCAST, false },
	{ SOL_SOCKET, SO_MARK, false },
	{ SOL_SOCKET, SO_NO_CHECK, false },
	{ IPPROTO_IP, IP_TOS, false },
	{ IPPROTO_IP, IP_TTL, false },
	{ IPPROTO_IP, IP_MTU_DISCOVER, false },
	{ IPPROTO_IP, OPT_IP_UNICAST_IF, false },
	{ IPPROTO_IPV6, IPV6_TCLASS, false },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, false },
	{ IPPROTO_IPV6, IPV6_MTU_DISCOVER, false },
	{ IPPROTO_IPV6, IPV6_DONTFRAG, false },
	{ IPPROTO_IPV6, OPT_IPV6_UNICAST_IF, false },
	{ IPPROTO_IPV6, OPT_IPV6_AUTOFLOWLABEL, false },
	{ IPPROTO_UDP, OPT_UDP_SEGMENT, false },
	{ SOL_SOCKET, SO_PRIORITY, false },
};

static const struct option received[] = {
	{ SOL_SOCKET, SO_RCVBUF, true },	   { SOL_SOCKET, SO_TIMESTAMP, false },
	{ SOL_SOCKET, SO_TIMESTAMPNS, false },	   { SOL_SOCKET, SO_TIMESTAMPING, false },
	{ SOL_SOCKET, SO_RXQ_OVFL, false },	   { SOL_SOCKET, SO_BUSY_POLL, false },
	{ IPPROTO_IP, IP_PKTINFO, false },	   { IPPROTO_IP, IP_RECVTTL, false },
	{ IPPROTO_IP, IP_RECVTOS, false },	   { IPPROTO_IP, IP_RECVERR, false },
	{ IPPROTO_IPV6, IPV6_RECVPKTINFO, false }, { IPPROTO_IPV6, IPV6_RECVHOPLIMIT, false },
	{ IPPROTO_IPV6, IPV6_RECVTCLASS, false },  { IPPROTO_IPV6, IPV6_RECVERR, false },
	{ IPPROTO_UDP, OPT_UDP_GRO, false },
};

/* Only what differs is set: much of it is as the kernel begins, and some takes a privilege. */
static void copy(int from, int to, const struct option *option)
{
	int value = 0, other = 0;
	socklen_t len = sizeof(value), other_len = sizeof(other);

	if (sks_raw(SYS_getsockopt, from, option->level, option->name, &value, &len) ||
	    sks_raw(SYS_getsockopt, to, option->level, option->name, &other, &other_len) ||
	    value == other)
		return;
	if (option->doubled)
		value /= 2;
	(void)sks_raw(SYS_setsockopt, to, option->level, option->name, &value, sizeof(value));
}

/* How long it may wait is a struct timeval's. */
static void copy_timeout(int from, int to, int name)
{
	char value[16];
	socklen_t len = sizeof(value);

	if (!sks_raw(SYS_getsockopt, from, SOL_SOCKET, name, value, &len))
		(void)sks_raw(SYS_setsockopt, to, SOL_SOCKET, name, value, len);
}

void sks_options_copy(int from, int to, bool receives)
{
	for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++)
		copy(from, to, &sent[i]);
	if (!receives)
		return;
	for (size_t i = 0; i < sizeof(received) / sizeof(received[0]); i++)
		copy(from, to, &received[i]);
	copy_timeout(from, to, SO_RCVTIMEO);
	copy_timeout(from, to, SO_SNDTIMEO);
}

bool sks_option_is_sent(int level, int name)
{
	for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
		if (sent[i].level == level && sent[i].name == name)
			return true;
	}
	/* By another name, or for the other family. */
	return level == SOL_SOCKET && (name == SO_SNDBUFFORCE || name == SO_BINDTODEVICE);
}
