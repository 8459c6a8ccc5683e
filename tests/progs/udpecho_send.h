/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the calls by which udpecho.c answers. */
#ifndef SKSTEER_UDPECHO_SEND_H
#define SKSTEER_UDPECHO_SEND_H

#include "udpecho.h"

static bool answer_failed; /* the error queue may say of which */

/* control: room for two messages, zero. */
static struct msghdr answer_to(struct packet *packet, struct iovec *iov, char *control)
{
	struct msghdr msg = { .msg_name = packet->peer_len ? &packet->peer : NULL,
			      .msg_namelen = packet->peer_len,
			      .msg_iov = iov,
			      .msg_iovlen = 1,
			      .msg_control = control };
	struct cmsghdr *v4 = find_control(&packet->msg, IPPROTO_IP, IP_PKTINFO);
	struct cmsghdr *v6 = find_control(&packet->msg, IPPROTO_IPV6, IPV6_PKTINFO);
	struct cmsghdr *gro = find_control(&packet->msg, IPPROTO_UDP, UDP_GRO);
	uint16_t segment;

	*iov = (struct iovec){ packet->data, packet->len };
	/* From the address that was asked, as dnsmasq does. */
	if (config.from && v4) {
		struct in_pktinfo info;

		memcpy(&info, CMSG_DATA(v4), sizeof(info));
		info.ipi_ifindex = 0;
		info.ipi_spec_dst = info.ipi_addr;
		add_control(&msg, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else if (config.from && v6) {
		add_control(&msg, IPPROTO_IPV6, IPV6_PKTINFO, CMSG_DATA(v6),
			    sizeof(struct in6_pktinfo));
	}
	/* In pieces as large as those that were put together. */
	if (config.segment && gro) {
		segment = (uint16_t) * (int *)CMSG_DATA(gro);
		add_control(&msg, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	}
	if (!msg.msg_controllen)
		msg.msg_control = NULL;
	return msg;
}

static ssize_t answer_one(int fd, struct packet *packet)
{
	_Alignas(struct cmsghdr) char control[128] = "";
	union address copy = packet->peer;
	struct iovec iov;
	struct msghdr msg;

	switch (config.send) {
	case TO_SEND:
		return send(fd, packet->data, packet->len, 0);
	case TO_WRITE:
		return write(fd, packet->data, packet->len);
	case TO_SENDTO:
		return sendto(fd, packet->data, packet->len, 0,
			      config.copies ? &copy.any : &packet->peer.any, packet->peer_len);
	default:
		msg = answer_to(packet, &iov, control);
		if (config.copies && msg.msg_name)
			msg.msg_name = &copy;
		return sendmsg(fd, &msg, 0);
	}
}

static void answer_many(int fd, struct packet *packets, unsigned int n)
{
	_Alignas(struct cmsghdr) char control[MAX_BATCH][128] = {};
	struct mmsghdr msgs[MAX_BATCH];
	struct iovec iov[MAX_BATCH];
	unsigned int done = 0, failed = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct packet *packet = &packets[config.reverse ? n - 1 - i : i];

		msgs[i] = (struct mmsghdr){ .msg_hdr = answer_to(packet, &iov[i], control[i]) };
	}
	while (done < n && failed < n) {
		int sent = sendmmsg(fd, msgs + done, n - done, 0);

		if (sent < 0) {
			failed++;
			continue;
		}
		for (int i = 0; i < sent; i++) {
			if (msgs[done + (unsigned int)i].msg_len !=
			    iov[done + (unsigned int)i].iov_len)
				errx(1, "sendmmsg: sent %u of %zu bytes",
				     msgs[done + (unsigned int)i].msg_len,
				     iov[done + (unsigned int)i].iov_len);
		}
		done += (unsigned int)sent;
	}
}

static void answer(int fd, struct packet *packets, unsigned int n)
{
	if (config.send == TO_SENDMMSG) {
		answer_many(fd, packets, n);
		return;
	}
	for (unsigned int i = 0; i < n; i++) {
		struct packet *packet = &packets[config.reverse ? n - 1 - i : i];
		ssize_t sent = -1;

		/* What an earlier answer met is said to the next call, once. */
		for (int tries = 0; tries < 3 && sent < 0; tries++) {
			sent = answer_one(fd, packet);
			answer_failed |= sent < 0;
		}
		if (sent < 0)
			warn("answer");
		else if ((size_t)sent != packet->len)
			errx(1, "sent %zd of %zu bytes", sent, packet->len);
	}
}

#endif
