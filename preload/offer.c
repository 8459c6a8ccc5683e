/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the library's conversation with the helper: when it asks, what, and how long it waits. */
#include "offer.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "../common/raw.h"
#include "report.h"

/* A bind or listen may last 1 s longer because of us; the rest is for what happens around it. */
#define BUDGET_US (900 * 1000)
/* After a time-out nobody is asked for so long: a server with 100 listeners is not 100 s late. */
#define REST_US (60ll * 1000 * 1000)

/* An answer that took longer counts against the budget of the whole process. */
#define SLOW_US (50 * 1000)

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

static void fill_request(const struct sks_config *config, enum sks_op op,
			 struct sks_request *ret_req)
{
	*ret_req = (struct sks_request){
		.version = SKS_WIRE_VERSION,
		.op = (uint16_t)op,
		.mode = config->mode,
		.weight = config->weight,
		.spec_len = config->spec_len,
	};
	memcpy(ret_req->instance, config->instance, sizeof(ret_req->instance));
	memcpy(ret_req->label, config->label, sizeof(ret_req->label));
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
		memcpy(&in6, addr, offsetof(struct sockaddr_in6, sin6_scope_id));
		req->port = ntohs(in6.sin6_port);
		memcpy(req->addr, &in6.sin6_addr, sizeof(in6.sin6_addr));
	}
}

int sks_offer(const struct sks_config *config, enum sks_op op, int fd, const struct sockaddr *addr,
	      int64_t *deadline)
{
	struct sks_request req;
	struct sks_reply reply;
	int64_t now;
	int err;

	sks_report_config(config);
	if (config->error[0])
		return -EINVAL;
	now = sks_now_us();
	if (now < resting_until)
		return -ETIMEDOUT;
	if (!*deadline)
		*deadline = now + BUDGET_US - spent;

	fill_request(config, op, &req);
	if (addr)
		fill_address(addr, &req);
	err = sks_wire_call(config->socket, &req, config->spec, fd, (int)((*deadline - now) / 1000),
			    &reply, NULL);
	account(sks_now_us() - now, err == -ETIMEDOUT);
	if (err) {
		sks_report_silence(config, err);
		return err;
	}
	sks_report_reply(config, op, fd, &reply);
	if (reply.err)
		return reply.err;
	return op == SKS_OP_REGISTER && !reply.steered ? SKS_NOT_MEANT : 0;
}
