/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what is done to a socket so that answers leave from a steered port by it, and no more. */
#ifndef SKSTEER_REPLY_BIND_H
#define SKSTEER_REPLY_BIND_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

/* What bind(2) is called with. */
struct sks_address {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
	socklen_t len;
};

struct sks_reply_bind {
	struct sks_address addr;
	/* The only peer that it receives from, of the same family, and 0: it receives nothing. */
	uint8_t peer_addr[16];
	uint16_t peer_port;
	uint16_t own_port; /* of the server's socket: from there, at addr, it receives too */
	uint32_t ifindex;  /* that it is bound to, or is by its address; or 0 */
};

/*
 * Binds a UDP socket, on which there is a filter then that its owner can't remove; one without a
 * peer is shut down for reading, too, by which sock_diag(7) tells it; one with a peer is connected
 * to it. Waits for the socket's lock (see stranger.h). judge: -1, or a connection whose other end
 * is shut down when nobody waits for this any more. 0, -EPERM: it has a locked filter of its own;
 * -ETIMEDOUT: it is late; -EBUSY: it is not where it was to be; or -errno. Then it is
 * shut down, and good for nothing, whatever port it may have.
 */
int sks_reply_bind(int fd, const struct sks_reply_bind *how, int judge);

#endif
