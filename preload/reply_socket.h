/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns reply sockets: what answers leave from whose question was sent to another port than the one
 * that the server is bound to. They are made on demand and bound by the helper, send alone, and are
 * the only descriptors that stay in a server. It may close them at any time, without our seeing.
 */
#ifndef SKSTEER_REPLY_SOCKET_H
#define SKSTEER_REPLY_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "endpoint.h"

#define SKS_REPLY_SETS 16
#define SKS_REPLY_WAYS 8 /* so at most 128 descriptors, and a sixteenth of RLIMIT_NOFILE */

struct sks_reply_socket {
	_Atomic uint32_t state; /* how many use it, and whether it is there (reply_socket.c) */
	_Atomic uint32_t used;	/* when, by the table's clock */
	/* Its cookie was seen when so often somebody had closed its number: see is_ours(). */
	_Atomic uint32_t sure_at, doubts;
	int fd;
	int server_fd;		   /* by which it was asked for, maybe closed since */
	uint64_t cookie;	   /* its own */
	uint64_t server;	   /* the server socket's */
	int64_t until;		   /* refused: it is not asked for before, in sks_now_us() */
	struct sks_endpoint where; /* that it is bound to */
	bool yields;		   /* the port is anybody's who comes: kept for one answer */
};

struct sks_reply_sockets {
	_Atomic uint32_t clock;
	_Atomic uint32_t n;	 /* that are there */
	_Atomic uint32_t lowest; /* descriptor that was ever one, or 0 */
	struct sks_reply_socket all[SKS_REPLY_SETS * SKS_REPLY_WAYS]; /* a set after the other */
};

struct sks_dgram;

/*
 * From which an answer of the server's socket fd leaves for who has asked there; NULL: there is
 * none to be had, which has been said. Until sks_reply_socket_put() it stays open, and what errno
 * is.
 */
struct sks_reply_socket *sks_reply_socket_get(struct sks_dgram *dgram, int fd,
					      const struct sks_endpoint *where);
/* broken: it does not send any more. */
void sks_reply_socket_put(struct sks_reply_socket *reply, bool broken);

/* The server is about to bind that port itself: none of ours is in its way. */
void sks_reply_sockets_leave(struct sks_reply_sockets *replies, uint16_t port);
/* The server closes, or has closed, what is at these numbers. */
void sks_reply_sockets_doubt(struct sks_reply_sockets *replies, unsigned int first,
			     unsigned int last);
/* Closes those that the helper has taken back, and those whose server socket has been closed. */
void sks_reply_sockets_look(struct sks_reply_sockets *replies);
/* The server has set an option of its socket that shapes what is sent. */
void sks_reply_sockets_set(struct sks_reply_sockets *replies, uint64_t server, int level, int name,
			   const void *value, socklen_t len);

/* To a number where the server does not count on its descriptors being. Returns that, or fd. */
int sks_reply_socket_move_up(int fd);
/*
 * A new socket of the server socket's kind, with its options, bound where was asked. peer: the only
 * one that it is to receive from, or NULL: it receives nothing. The caller's, or -errno;
 * *ret_yields as above.
 */
int sks_reply_socket_make(struct sks_dgram *dgram, int fd, const struct sks_endpoint *where,
			  const struct sks_endpoint *peer, bool *ret_yields);

#endif
