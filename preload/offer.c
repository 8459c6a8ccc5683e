/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the library's conversation with the helper: when it asks, what, and how long it waits. */
#include "offer.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "../common/raw.h"
#include "dgram.h"
#include "report.h"

/* A bind or listen may last 1 s longer because of us; the rest is for what happens around it. */
#define BUDGET_US (900 * 1000)
/* After a time-out nobody is asked for so long: a server with 100 listeners is not 100 s late. */
#define REST_US (60ll * 1000 * 1000)

/* An answer that took longer counts against the budget of the whole process. */
#define SLOW_US (50 * 1000)

#define RETRY_US (20 * 1000)

/* An answer to a client is worth less waiting: it asks again. */
#define REPLY_US      (250 * 1000)
#define REPLY_REST_US (10 * 1000 * 1000)

static _Atomic int64_t resting_until, spent;

/* All slow answers together may cost what one that never comes costs. */
static void account(int64_t took, bool timed_out)
{
	if (took >= SLOW_US)
		spent += took;
	if (!timed_out && spent < BUDGET_US)
		return;
	resting_until = sks_now_us() + REST_US;
	spent = 0;
}

/* 0; -EINVAL: the environment is in error, which is said; -ETIMEDOUT: nobody is asked now. */
static int begin(const struct sks_config *config, enum sks_op op, struct sks_request *ret_req)
{
	sks_report_config(config);
	if (config->error[0])
		return -EINVAL;
	if (sks_now_us() < resting_until)
		return -ETIMEDOUT;
	*ret_req = (struct sks_request){ .version = SKS_WIRE_VERSION, .op = (uint16_t)op };
	if (op == SKS_OP_OPEN || op == SKS_OP_REPLY_SOCKET)
		return 0; /* about an address, and no service */
	if (op != SKS_OP_SHARED) {
		ret_req->mode = config->mode;
		ret_req->weight = config->weight;
		ret_req->spec_len = config->spec_len;
	}
	memcpy(ret_req->instance, config->instance, sizeof(ret_req->instance));
	memcpy(ret_req->label, config->label, sizeof(ret_req->label));
	return 0;
}

static void fill_address(const struct sockaddr *addr, struct sks_request *req)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	req->family = addr->sa_family;
	if (addr->sa_family == AF_INET) {
		memcpy(&in, addr, sizeof(in));
		req->port = ntohs(in.sin_port);
		memcpy(req->addr, &in.sin_addr, sizeof(in.sin_addr));
	} else {
		/* The kernel takes the shorter address of RFC 2133, without a scope, as well. */
		if (req->op == SKS_OP_OPEN) {
			memcpy(&in6, addr, sizeof(in6));
			req->scope = in6.sin6_scope_id;
		}
		memcpy(&in6, addr, offsetof(struct sockaddr_in6, sin6_scope_id));
		req->port = ntohs(in6.sin6_port);
		memcpy(req->addr, &in6.sin6_addr, sizeof(in6.sin6_addr));
	}
}

/* Nobody serves the path now, or whoever did has just left. */
static bool is_away(int err)
{
	return err == -ENOENT || err == -ECONNREFUSED || err == -ECONNRESET;
}

/* patient: a helper that is being restarted is waited for. To ask twice does no harm. */
static int call(const struct sks_config *config, const struct sks_request *req, int fd,
		int64_t deadline, bool patient, struct sks_reply *ret_reply, int *ret_fd)
{
	for (;;) {
		int64_t left = deadline - sks_now_us();
		int err = left <= 0 ? -ETIMEDOUT
				    : sks_wire_call(config->socket, req, config->spec, fd,
						    (int)(left / 1000), ret_reply, ret_fd);

		if (!patient || !is_away(err) || deadline - sks_now_us() <= RETRY_US)
			return err;
		sks_pause_us(RETRY_US);
	}
}

/* Says nothing of what came of it. */
static int ask(const struct sks_config *config, const struct sks_request *req, int fd,
	       int64_t *deadline, bool patient, struct sks_reply *ret_reply, int *ret_fd)
{
	int64_t now = sks_now_us();
	int err;

	if (!*deadline)
		*deadline = now + BUDGET_US - spent;
	err = call(config, req, fd, *deadline, patient, ret_reply, ret_fd);
	account(sks_now_us() - now, err == -ETIMEDOUT || (patient && is_away(err)));
	return err;
}

/* The verdict, after saying what there is to say. */
static int judge(const struct sks_config *config, enum sks_op op, int fd, int err,
		 const struct sks_reply *reply)
{
	if (err) {
		sks_report_silence(config, op, err, err == -EPROTO ? reply->version : 0);
		return err;
	}
	sks_report_reply(config, op, fd, reply);
	if (reply->err)
		return reply->err;
	return op == SKS_OP_REGISTER && !reply->steered ? SKS_NOT_MEANT : 0;
}

int sks_offer_bind(const struct sks_config *config, int fd, const struct sockaddr *addr,
		   struct sks_placing *ret_place)
{
	struct sks_request req;
	struct sks_reply reply;
	int64_t deadline = 0;
	int got = -1, err;

	err = begin(config, SKS_OP_CHECK, &req);
	if (err)
		return err;
	fill_address(addr, &req);
	err = ask(config, &req, fd, &deadline, false, &reply, &got);
	err = judge(config, SKS_OP_CHECK, fd, err, &reply);
	if (got >= 0 && (err || reply.place != SKS_PLACE_SHARED)) {
		(void)sks_raw(SYS_close, got);
		got = -1;
	}
	if (!err)
		*ret_place = (struct sks_placing){ reply.place, reply.port, got };
	return err;
}

int sks_offer_open(const struct sks_config *config, int fd, const struct sockaddr *addr)
{
	struct sks_request req;
	struct sks_reply reply;
	int64_t deadline = 0;
	int err;

	err = begin(config, SKS_OP_OPEN, &req);
	if (err)
		return err;
	fill_address(addr, &req);
	err = ask(config, &req, fd, &deadline, false, &reply, NULL);
	return judge(config, SKS_OP_OPEN, fd, err, &reply);
}

static int offer(const struct sks_config *config, enum sks_op op, int fd, uint16_t wanted,
		 uint32_t flags, int64_t *deadline, bool patient, uint64_t *ret_token)
{
	struct sks_request req;
	struct sks_reply reply;
	int err;

	err = begin(config, op, &req);
	if (err)
		return err;
	req.port = wanted;
	req.flags = flags;
	err = ask(config, &req, fd, deadline, patient, &reply, NULL);
	*ret_token = err ? 0 : reply.token;
	return judge(config, op, fd, err, &reply);
}

int sks_offer(const struct sks_config *config, enum sks_op op, int fd, uint16_t wanted,
	      int64_t *deadline)
{
	uint64_t token;

	return offer(config, op, fd, wanted, 0, deadline, false, &token);
}

int sks_offer_datagrams(const struct sks_config *config, int fd, uint64_t *ret_token)
{
	int64_t deadline = 0;

	return offer(config, SKS_OP_REGISTER, fd, 0, SKS_REGISTER_ANSWERS, &deadline, false,
		     ret_token);
}

int sks_offer_moved(const struct sks_config *config, int fd, uint16_t wanted)
{
	int64_t deadline = 0;
	uint64_t token;
	int err = offer(config, SKS_OP_REGISTER, fd, wanted, 0, &deadline, true, &token);

	if (err)
		sks_report_stranded(config, wanted);
	return err;
}

bool sks_offer_is_shared(const struct sks_config *config, int fd)
{
	struct sks_request req;
	struct sks_reply reply;
	int64_t deadline = 0;

	if (begin(config, SKS_OP_SHARED, &req))
		return false;
	return !ask(config, &req, fd, &deadline, false, &reply, NULL) && !reply.err &&
	       reply.steered == 1;
}

/* In the family of the socket that is to be bound there. */
static void put_endpoint(const struct sks_endpoint *end, uint16_t family, uint8_t ret_addr[16])
{
	if (family == AF_INET)
		memcpy(ret_addr, end->addr + 12, 4);
	else
		memcpy(ret_addr, end->addr, 16);
}

int sks_offer_reply_socket(const struct sks_config *config, int fd, const struct sks_dgram *dgram,
			   const struct sks_endpoint *where, const struct sks_endpoint *peer,
			   bool anew, bool *ret_yields)
{
	struct sks_request req;
	struct sks_reply reply;
	static _Atomic int64_t rests_until;
	int64_t now = sks_now_us();
	int err = now < rests_until ? -ETIMEDOUT : begin(config, SKS_OP_REPLY_SOCKET, &req);

	if (err)
		return err;
	req.family = (uint16_t)sks_dgram_domain(dgram);
	req.port = where->port;
	req.scope = where->scope;
	req.cookie = dgram->cookie;
	req.token = dgram->token;
	put_endpoint(where, req.family, req.addr);
	if (peer) {
		req.peer_port = peer->port;
		put_endpoint(peer, req.family, req.peer_addr);
	}
	err = call(config, &req, fd, now + REPLY_US, false, &reply, NULL);
	if (!err && reply.err == -EPERM && anew)
		return -EPERM; /* the caller asks for another token, and then again */
	if (err == -ETIMEDOUT)
		rests_until = sks_now_us() + REPLY_REST_US;
	err = judge(config, SKS_OP_REPLY_SOCKET, fd, err, &reply);
	if (!err)
		*ret_yields = !reply.steered;
	return err;
}

uint64_t sks_offer_token(const struct sks_config *config, int fd)
{
	struct sks_request req;
	struct sks_reply reply;

	if (begin(config, SKS_OP_SHARED, &req) ||
	    call(config, &req, fd, sks_now_us() + REPLY_US, false, &reply, NULL))
		return 0;
	return reply.token;
}
