/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how udpecho.c serves with connected sockets: one for each peer, or its only one for the
 * first. */
#ifndef SKSTEER_UDPECHO_PEERS_H
#define SKSTEER_UDPECHO_PEERS_H

#include <poll.h>

#include "udpecho_receive.h"
#include "udpecho_send.h"
#include "udpecho_set.h"

#define MAX_PEERS 64

static union address peers[MAX_PEERS];
static struct pollfd peer_fds[MAX_PEERS + 1]; /* the last is the one that all others come to */
static int n_peers;

/* As socat does: who it is, then connect(2), then the datagram is still there. */
static void connect_to_first(int fd)
{
	union address peer = {};
	socklen_t len = sizeof(peer);
	char c;

	while (recvfrom(fd, &c, 1, MSG_PEEK, &peer.any, &len) < 0)
		;
	if (connect(fd, &peer.any, len))
		err(1, "connect");
}

static bool is_same(const union address *a, const union address *b)
{
	return a->any.sa_family == b->any.sa_family && !memcmp(a, b, address_len(a));
}

/* As QUIC servers do: a socket of its own, bound to the same port, connected to that peer. */
static int fd_of_peer(const union address *peer, const union address *own)
{
	char reuse[] = "reuse";
	int i = 0;

	while (i < n_peers && !is_same(&peers[i], peer))
		i++;
	if (i < n_peers)
		return peer_fds[i].fd;
	if (i == MAX_PEERS)
		errx(1, "too many peers");
	peers[i] = *peer;
	peer_fds[i] = (struct pollfd){ .fd = bound_socket(own, reuse, 0, ""), .events = POLLIN };
	if (connect(peer_fds[i].fd, &peer->any, address_len(peer)))
		err(1, "connect");
	n_peers++;
	return peer_fds[i].fd;
}

static void serve_newcomer(int fd, struct packet *packet, const union address *own)
{
	enum receive usual = config.receive;
	int n;

	config.receive = BY_RECVFROM;
	n = receive(fd, packet);
	config.receive = usual;
	if (n < 0)
		return;
	fd = fd_of_peer(&packet->peer, own);
	packet->peer_len = 0; /* it is connected */
	answer(fd, packet, 1);
}

static void serve_peers(int fd, struct packet *packet, const union address *own)
{
	for (;;) {
		peer_fds[n_peers] = (struct pollfd){ .fd = fd, .events = POLLIN };
		if (poll(peer_fds, (nfds_t)n_peers + 1, -1) < 0)
			err(1, "poll");
		for (int i = n_peers; i >= 0; i--) {
			if (!peer_fds[i].revents)
				continue;
			if (peer_fds[i].fd == fd)
				serve_newcomer(fd, packet, own);
			else if (receive(peer_fds[i].fd, packet) > 0)
				answer(peer_fds[i].fd, packet, 1);
		}
	}
}

#endif
