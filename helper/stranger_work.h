/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the processes that can be spared, and what they are told (see stranger.h). */
#ifndef SKSTEER_STRANGER_WORK_H
#define SKSTEER_STRANGER_WORK_H

#include <netinet/in.h>

#include "../common/wire.h"
#include "diag_reply.h"
#include "reply_bind.h"
#include "socket.h"
#include "worker.h"

enum sks_work {
	SKS_WORK_RECEIVE,
	SKS_WORK_BIND,
	SKS_WORK_REPLY, /* sks_reply_bind() */
	SKS_WORK_PUT,
	SKS_WORK_ABORT, /* sks_diag_abort(), of no socket that was sent */
	SKS_WORK_CLOSE,
};

struct sks_job {
	uint32_t work;
	uint32_t slot;
	struct sks_reply_bind bind; /* SKS_WORK_BIND: the address alone */
	struct sks_reply_socket reply;
};

/*
 * After SKS_WORK_RECEIVE the record follows, and its descriptor comes along if it is a socket for
 * us, or a text that makes nobody wait (sealed.h), of which the verdict says that it is no socket.
 */
struct sks_done {
	int32_t err;
	int32_t len; /* SKS_WORK_RECEIVE: as sks_wire_recv() returned it */
	struct sks_socket socket;
	struct sks_verdict verdict; /* of what came along */
};

struct sks_record {
	struct sks_done done;
	char bytes[sizeof(struct sks_request) + SKS_SPEC_MAX];
};

/*
 * Forks them: a byte and a connection are the question, the pid or -errno the answer. Each works
 * through the jobs that come through its connection.
 */
extern struct sks_worker sks_stranger_worker;

#endif
