/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the parts of udpecho.c share: what it was told to do, and a datagram in its hands. */
#ifndef SKSTEER_UDPECHO_H
#define SKSTEER_UDPECHO_H

#include "udp.h"

#define MAX_BATCH 64

enum receive {
	BY_RECVFROM,
	BY_RECVMSG,
	BY_RECVMMSG,
	BY_PEEKFROM, /* recvfrom(MSG_PEEK) says who, recv takes it */
	BY_PEEK,     /* recv(MSG_PEEK | MSG_TRUNC) says how long, recvfrom takes it */
	BY_RECVFROM_CHK,
	/* of a connected socket */
	BY_RECV,
	BY_READ,
	BY_READV,
	BY_RECV_CHK,
	BY_READ_CHK,
};

enum send { TO_SENDTO, TO_SENDMSG, TO_SENDMMSG, TO_SEND, TO_WRITE };

enum wait { BLOCK, EPOLL, SELECT, POLL };

enum by { SELF, FORK, CHILD };

struct config {
	enum receive receive;
	enum send send;
	enum wait wait;
	enum by by;
	unsigned int batch, threads;
	int pipe;    /* to the child */
	int send_fd; /* -1: where it came from */
	int data_room, control_room;
	bool tell, reverse, from, segment, trunc, connect_self, connect_fresh, closes, copies;
};

struct packet {
	union address peer;
	socklen_t peer_len;
	struct iovec iov[2];
	struct msghdr msg; /* as recvmsg left it */
	size_t len;	   /* of what is there; msg_flags tell what is not */
	_Alignas(struct cmsghdr) char control[512];
	char *data; /* ROOM */
};

static struct config config = {
	.batch = 1, .threads = 1, .send_fd = -1, .data_room = ROOM, .control_room = 512
};

/* The first control message of that type, or NULL. */
static inline struct cmsghdr *find_control(struct msghdr *msg, int level, int type)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level == level && cmsg->cmsg_type == type)
			return cmsg;
	}
	return NULL;
}

#endif
