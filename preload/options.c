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
	uint16_t force; /* a size: the kernel says twice what it was told; beyond any limit by this */
};

/* The interface first: the rest is about routes there. SO_PRIORITY after IP_TOS, which sets it. */
static const struct option sent[] = {
	{ SOL_SOCKET, OPT_BINDTOIFINDEX, 0 },
	{ SOL_SOCKET, SO_SNDBUF, SO_SNDBUFFORCE },
	{ SOL_SOCKET, SO_BROADCAST, 0 },
	{ SOL_SOCKET, SO_MARK, 0 },
	{ SOL_SOCKET, SO_NO_CHECK, 0 },
	{ IPPROTO_IP, IP_TOS, 0 },
	{ IPPROTO_IP, IP_TTL, 0 },
	{ IPPROTO_IP, IP_MTU_DISCOVER, 0 },
	{ IPPROTO_IP, OPT_IP_UNICAST_IF, 0 },
	{ IPPROTO_IPV6, IPV6_TCLASS, 0 },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, 0 },
	{ IPPROTO_IPV6, IPV6_MTU_DISCOVER, 0 },
	{ IPPROTO_IPV6, IPV6_DONTFRAG, 0 },
	{ IPPROTO_IPV6, OPT_IPV6_UNICAST_IF, 0 },
	{ IPPROTO_IPV6, OPT_IPV6_AUTOFLOWLABEL, 0 },
	{ IPPROTO_UDP, OPT_UDP_SEGMENT, 0 },
	{ SOL_SOCKET, SO_PRIORITY, 0 },
};

static const struct option received[] = {
	{ SOL_SOCKET, SO_RCVBUF, SO_RCVBUFFORCE },
	{ SOL_SOCKET, SO_TIMESTAMP, 0 },
	{ SOL_SOCKET, SO_TIMESTAMPNS, 0 },
	{ SOL_SOCKET, SO_TIMESTAMPING, 0 },
	{ SOL_SOCKET, SO_RXQ_OVFL, 0 },
	{ SOL_SOCKET, SO_BUSY_POLL, 0 },
	{ IPPROTO_IP, IP_PKTINFO, 0 },
	{ IPPROTO_IP, IP_RECVTTL, 0 },
	{ IPPROTO_IP, IP_RECVTOS, 0 },
	{ IPPROTO_IP, IP_RECVERR, 0 },
	{ IPPROTO_IPV6, IPV6_RECVPKTINFO, 0 },
	{ IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 0 },
	{ IPPROTO_IPV6, IPV6_RECVTCLASS, 0 },
	{ IPPROTO_IPV6, IPV6_RECVERR, 0 },
	{ IPPROTO_UDP, OPT_UDP_GRO, 0 },
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
	if (option->force)
		value /= 2;
	if (option->force &&
	    !sks_raw(SYS_setsockopt, to, option->level, option->force, &value, sizeof(value)))
		return;
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
