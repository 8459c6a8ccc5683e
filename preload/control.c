/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns control messages (see control.h). They are walked by hand: CMSG_NXTHDR needs a function that
 * musl does not have.
 */
#include "control.h"

#include <netinet/in.h>
#include <string.h>

#include "../common/raw.h"

/* The message at that place, with at least its header; *next is the next one's place. */
static struct cmsghdr *message_at(const void *control, size_t len, size_t at, size_t *next)
{
	struct cmsghdr *cmsg = (struct cmsghdr *)((char *)control + at);
	size_t size;

	if (!control || at >= len || len - at < sizeof(*cmsg))
		return NULL;
	size = cmsg->cmsg_len;
	if (size < sizeof(*cmsg) || size > len - at)
		return NULL;
	*next = at + CMSG_ALIGN(size);
	return cmsg;
}

static size_t data_len(const struct cmsghdr *cmsg)
{
	return cmsg->cmsg_len - CMSG_LEN(0);
}

static bool is(const struct cmsghdr *cmsg, int level, int type)
{
	return cmsg->cmsg_level == level && cmsg->cmsg_type == type;
}

/* Those of a Unix socket which has taken the descriptor's place, and for which there is no room. */
static void close_rights(const struct cmsghdr *cmsg, size_t kept)
{
	int fd;

	if (!is(cmsg, SOL_SOCKET, SCM_RIGHTS))
		return;
	for (size_t at = kept; at + sizeof(fd) <= data_len(cmsg); at += sizeof(fd)) {
		memcpy(&fd, CMSG_DATA(cmsg) + at, sizeof(fd));
		(void)sks_raw(SYS_close, fd);
	}
}

/* As the kernel's put_cmsg(); *used is what is in the server's memory so far. */
static void put(const struct cmsghdr *cmsg, struct msghdr *to, size_t *used)
{
	struct cmsghdr head = *cmsg;
	size_t room = to->msg_controllen - *used, size = head.cmsg_len, space;
	char *at;

	if (!to->msg_control || room < sizeof(head)) {
		to->msg_flags |= MSG_CTRUNC;
		close_rights(cmsg, 0);
		return;
	}
	if (size > room) {
		to->msg_flags |= MSG_CTRUNC;
		size = room;
		close_rights(cmsg, (size - CMSG_LEN(0)) / sizeof(int) * sizeof(int));
	}
	space = CMSG_ALIGN(size);
	head.cmsg_len = size;
	at = (char *)to->msg_control + *used;
	memmove(at + CMSG_LEN(0), CMSG_DATA(cmsg), size - CMSG_LEN(0));
	memcpy(at, &head, sizeof(head));
	*used += space < room ? space : room;
}

static bool take(const struct cmsghdr *cmsg, struct sks_origdst *origdst)
{
	bool v4 = is(cmsg, IPPROTO_IP, SKS_ORIGDST4), v6 = is(cmsg, IPPROTO_IPV6, SKS_ORIGDST6);

	if (!v4 && !v6)
		return false;
	if (sks_endpoint_from(&origdst->where, CMSG_DATA(cmsg), (socklen_t)data_len(cmsg)))
		origdst->found = true;
	return v4 ? !origdst->keep4 : !origdst->keep6;
}

void sks_control_receive(const struct msghdr *from, struct msghdr *to, struct sks_origdst *origdst)
{
	const void *control = from->msg_control;
	size_t len = from->msg_controllen, at = 0, next, used = 0;
	const struct cmsghdr *cmsg;

	to->msg_flags = from->msg_flags;
	while ((cmsg = message_at(control, len, at, &next))) {
		if (!take(cmsg, origdst))
			put(cmsg, to, &used);
		at = next;
	}
	to->msg_controllen = used;
}

static bool source_of(const struct cmsghdr *cmsg, struct sks_endpoint *ret_source)
{
	static const uint8_t none[16];
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct in_pktinfo v4;
	struct in6_pktinfo v6;

	if (is(cmsg, IPPROTO_IP, IP_PKTINFO) && data_len(cmsg) >= sizeof(v4)) {
		memcpy(&v4, CMSG_DATA(cmsg), sizeof(v4));
		in.sin_addr = v4.ipi_spec_dst;
		return v4.ipi_spec_dst.s_addr && sks_endpoint_from(ret_source, &in, sizeof(in));
	}
	if (is(cmsg, IPPROTO_IPV6, IPV6_PKTINFO) && data_len(cmsg) >= sizeof(v6)) {
		memcpy(&v6, CMSG_DATA(cmsg), sizeof(v6));
		in6.sin6_addr = v6.ipi6_addr;
		return memcmp(&v6.ipi6_addr, none, sizeof(none)) != 0 &&
		       sks_endpoint_from(ret_source, &in6, sizeof(in6));
	}
	return false;
}

bool sks_control_source(const struct msghdr *msg, struct sks_endpoint *ret_source)
{
	const struct cmsghdr *cmsg;
	size_t at = 0, next;

	for (; (cmsg = message_at(msg->msg_control, msg->msg_controllen, at, &next)); at = next) {
		if (source_of(cmsg, ret_source))
			return true;
	}
	return false;
}

static bool is_pktinfo(const struct cmsghdr *cmsg)
{
	return is(cmsg, IPPROTO_IP, IP_PKTINFO) || is(cmsg, IPPROTO_IPV6, IPV6_PKTINFO);
}

/* The interface that the server wants it to leave by, or 0. */
static unsigned int interface_of(const struct cmsghdr *cmsg)
{
	struct in_pktinfo v4;
	struct in6_pktinfo v6;

	if (cmsg->cmsg_level == IPPROTO_IP && data_len(cmsg) >= sizeof(v4)) {
		memcpy(&v4, CMSG_DATA(cmsg), sizeof(v4));
		return (unsigned int)v4.ipi_ifindex;
	}
	if (cmsg->cmsg_level == IPPROTO_IPV6 && data_len(cmsg) >= sizeof(v6)) {
		memcpy(&v6, CMSG_DATA(cmsg), sizeof(v6));
		return v6.ipi6_ifindex;
	}
	return 0;
}

static size_t append(void *at, int level, int type, const void *data, size_t len)
{
	const struct cmsghdr head = {
		.cmsg_len = CMSG_LEN(len),
		.cmsg_level = level,
		.cmsg_type = type,
	};

	memset(at, 0, CMSG_SPACE(len));
	memcpy(at, &head, sizeof(head));
	memcpy((char *)at + CMSG_LEN(0), data, len);
	return CMSG_SPACE(len);
}

static size_t append_source(void *at, const struct sks_endpoint *source, unsigned int interface)
{
	struct in_pktinfo v4 = { .ipi_ifindex = (int)interface };
	struct in6_pktinfo v6 = { .ipi6_ifindex = source->scope ? source->scope : interface };

	if (sks_endpoint_is_v4(source)) {
		memcpy(&v4.ipi_spec_dst, source->addr + 12, 4);
		return append(at, IPPROTO_IP, IP_PKTINFO, &v4, sizeof(v4));
	}
	memcpy(&v6.ipi6_addr, source->addr, 16);
	return append(at, IPPROTO_IPV6, IPV6_PKTINFO, &v6, sizeof(v6));
}

size_t sks_control_send(const struct msghdr *msg, const struct sks_endpoint *source, void *buf,
			size_t size)
{
	size_t at = 0, next, used = 0;
	const struct cmsghdr *cmsg;
	unsigned int interface = 0;

	if (msg->msg_control && msg->msg_controllen + SKS_CONTROL_MORE > size)
		return 0;
	for (; (cmsg = message_at(msg->msg_control, msg->msg_controllen, at, &next)); at = next) {
		if (is_pktinfo(cmsg)) {
			interface = interface_of(cmsg);
			continue;
		}
		memcpy((char *)buf + used, cmsg, cmsg->cmsg_len);
		used += CMSG_ALIGN(cmsg->cmsg_len);
	}
	if (msg->msg_control && msg->msg_controllen > at &&
	    msg->msg_controllen - at >= sizeof(*cmsg))
		return 0; /* what the kernel makes of the rest, it will say */
	return used + append_source((char *)buf + used, source, interface);
}

_Static_assert(CMSG_SPACE(sizeof(struct sockaddr_in6)) <= SKS_CONTROL_MORE, "room for one");
_Static_assert(CMSG_SPACE(sizeof(struct in6_pktinfo)) <= SKS_CONTROL_MORE, "room for one");
