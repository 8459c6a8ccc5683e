/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what a request asks for: one function an operation of the wire contract. */
#ifndef SKSTEER_REQUEST_H
#define SKSTEER_REQUEST_H

#include "../common/wire.h"
#include "change.h"
#include "reply_bind.h"
#include "service.h"
#include "space.h"
#include "verdict.h"

struct sks_asked {
	struct sks_spaces *spaces;
	struct sks_peer peer;
	int conn;	       /* borrowed */
	int netns;	       /* of the connection; borrowed */
	uint64_t netns_ino;    /* its number */
	uint64_t netns_cookie; /* 0: this kernel has none */
	const struct sks_request *req;
	const char *spec;	    /* req->spec_len bytes, no NUL */
	int fd;			    /* the descriptor that came along, borrowed, or -1 */
	bool steered;		    /* as in the reply */
	uint16_t place, place_port; /* as in the reply */
	uint64_t token;		    /* as in the reply */
	int ret_fd;		    /* of the reply, which its sender closes, or -1 */
	struct sks_verdict verdict;
};

/* Each leaves its answer in asked->verdict. */
void sks_ask_register(struct sks_asked *asked); /* SKS_OP_REGISTER and SKS_OP_CHECK */
void sks_ask_bind(struct sks_asked *asked);
void sks_ask_unbind(struct sks_asked *asked);
void sks_ask_apply(struct sks_asked *asked);
void sks_ask_unload(struct sks_asked *asked);
void sks_ask_promote(struct sks_asked *asked);
void sks_ask_unregister(struct sks_asked *asked);
void sks_ask_weight(struct sks_asked *asked);
void sks_ask_shared(struct sks_asked *asked);
void sks_ask_status(struct sks_asked *asked);
void sks_ask_open(struct sks_asked *asked);
void sks_ask_reply_socket(struct sks_asked *asked);
void sks_ask_tally(struct sks_asked *asked);
void sks_ask_watch(struct sks_asked *asked);

/* Refuses the descriptor, -EXDEV, unless it is of the connection's namespace. 0 or the verdict's
 * err. */
int sks_ask_netns(struct sks_asked *asked);

/* The address that OPEN and REPLY_SOCKET name, as the wire has judged it. */
struct sks_address sks_ask_address(const struct sks_request *req);

/*
 * The asker's service of the label that it names, without the sockets that have been closed; NULL,
 * with a text: there is none.
 */
struct sks_service *sks_ask_label(struct sks_asked *asked, struct sks_space **ret_space);
/* A change of that service by the asker, without a socket. */
struct sks_change sks_ask_change(struct sks_asked *asked, struct sks_space *space,
				 struct sks_service *service);

/* Any of them, by asked->req->op; SKS_OP_ATTEND is the server's own. */
void sks_ask(struct sks_asked *asked);

#endif
