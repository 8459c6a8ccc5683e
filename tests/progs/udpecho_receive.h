/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the calls by which udpecho.c receives. */
#ifndef SKSTEER_UDPECHO_RECEIVE_H
#define SKSTEER_UDPECHO_RECEIVE_H

#include <sys/uio.h>

#include "udpecho_tell.h"

/* What glibc makes of the plain ones under _FORTIFY_SOURCE, where it does not know the length. */
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t size, int flags, struct sockaddr *addr,
		       socklen_t *addr_len);
ssize_t __read_chk(int fd, void *buf, size_t len, size_t size);

/* To receive into, anew. In two pieces, so that who takes the first for all is found out. */
static void prepare(struct packet *packet)
{
	size_t room = (size_t)config.data_room, first = room / 3;

	memset(&packet->peer, 0, sizeof(packet->peer));
	memset(packet->control, 0, sizeof(packet->control));
	packet->peer_len = sizeof(packet->peer);
	packet->iov[0] = (struct iovec){ packet->data, first };
	packet->iov[1] = (struct iovec){ packet->data + first, room - first };
	packet->msg = (struct msghdr){ .msg_name = &packet->peer,
				       .msg_namelen = sizeof(packet->peer),
				       .msg_iov = packet->iov,
				       .msg_iovlen = 2,
				       .msg_control = packet->control,
				       .msg_controllen = (size_t)config.control_room };
	if (!config.control_room)
		packet->msg.msg_control = NULL;
}

static void received(struct packet *packet, const char *call, ssize_t len, bool has_msg)
{
	packet->len = len < config.data_room ? (size_t)len : (size_t)config.data_room;
	if (has_msg)
		packet->peer_len = packet->msg.msg_namelen;
	if (config.tell)
		tell_packet(call, len, packet, has_msg);
}

static int receive_many(int fd, struct packet *packets)
{
	struct mmsghdr msgs[MAX_BATCH];
	int n;

	for (unsigned int i = 0; i < config.batch; i++) {
		prepare(&packets[i]);
		msgs[i] = (struct mmsghdr){ .msg_hdr = packets[i].msg };
	}
	n = recvmmsg(fd, msgs, config.batch, MSG_WAITFORONE, NULL);
	for (int i = 0; i < n; i++) {
		packets[i].msg = msgs[i].msg_hdr;
		received(&packets[i], "recvmmsg", msgs[i].msg_len, true);
	}
	return n;
}

static ssize_t receive_named(int fd, struct packet *packet, const char **ret_call)
{
	size_t room = (size_t)config.data_room;
	int flag = config.trunc ? MSG_TRUNC : 0;
	struct sockaddr *peer = &packet->peer.any;
	ssize_t len;

	switch (config.receive) {
	case BY_PEEKFROM:
		*ret_call = "recvfrom MSG_PEEK";
		len = recvfrom(fd, packet->data, room, MSG_PEEK, peer, &packet->peer_len);
		return len < 0 ? len : recv(fd, packet->data, room, flag);
	case BY_PEEK:
		*ret_call = "recv MSG_PEEK";
		len = recv(fd, packet->data, 1, MSG_PEEK | MSG_TRUNC);
		if (len < 0)
			return len;
		return recvfrom(fd, packet->data, room < (size_t)len ? room : (size_t)len, flag,
				peer, &packet->peer_len);
	case BY_RECVFROM_CHK:
		*ret_call = "__recvfrom_chk";
		return __recvfrom_chk(fd, packet->data, room, ROOM, flag, peer, &packet->peer_len);
	default:
		*ret_call = "recvfrom";
		return recvfrom(fd, packet->data, room, flag, peer, &packet->peer_len);
	}
}

/* The peer is known: it is the one that the socket is connected to. */
static ssize_t receive_connected(int fd, struct packet *packet, const char **ret_call)
{
	size_t room = (size_t)config.data_room;

	packet->peer_len = 0;
	switch (config.receive) {
	case BY_READ:
		*ret_call = "read";
		return read(fd, packet->data, room);
	case BY_READV:
		*ret_call = "readv";
		return readv(fd, packet->iov, 2);
	case BY_RECV_CHK:
		*ret_call = "__recv_chk";
		return __recv_chk(fd, packet->data, room, ROOM, 0);
	case BY_READ_CHK:
		*ret_call = "__read_chk";
		return __read_chk(fd, packet->data, room, ROOM);
	default:
		*ret_call = "recv";
		return recv(fd, packet->data, room, 0);
	}
}

/* Returns how many there are, each in its own packet, or -1 with errno. */
static int receive(int fd, struct packet *packets)
{
	const char *call = "recvmsg";
	ssize_t len;

	if (config.receive == BY_RECVMMSG)
		return receive_many(fd, packets);
	prepare(packets);
	if (config.receive == BY_RECVMSG)
		len = recvmsg(fd, &packets->msg, config.trunc ? MSG_TRUNC : 0);
	else if (config.receive >= BY_RECV)
		len = receive_connected(fd, packets, &call);
	else
		len = receive_named(fd, packets, &call);
	if (len < 0)
		return -1;
	received(packets, call, len, config.receive == BY_RECVMSG);
	return 1;
}

/* What did not reach its peer, as IP_RECVERR has it. */
static void receive_errors(int fd, struct packet *packet)
{
	ssize_t len;

	for (;;) {
		prepare(packet);
		len = recvmsg(fd, &packet->msg, MSG_ERRQUEUE | MSG_DONTWAIT);
		if (len < 0)
			return;
		received(packet, "recvmsg MSG_ERRQUEUE", len, true);
	}
}

#endif
