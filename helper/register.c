// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns registration: a server's socket joins its instance's service, and brings the spec along. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "../common/cleanup.h"
#include "binding.h"
#include "admit.h"
#include "change.h"
#include "dest.h"
#include "hash.h"
#include "inside.h"
#include "log.h"
#include "place.h"
#include "policy.h"
#include "slot.h"
#include "stranger.h"
#include "token.h"

/* The descriptor, as it is or (CHECK) as it is about to be. */
static int read_socket(struct sks_asked *asked, struct sks_socket *ret_socket)
{
	const struct sks_request *req = asked->req;
	int err;

	err = sks_stranger_read(asked->fd, ret_socket, &asked->verdict);
	if (err)
		return err;
	err = sks_ask_netns(asked);
	if (err)
		return err;
	if (req->op == SKS_OP_CHECK)
		return req->family ? sks_socket_plan(ret_socket, asked->fd, req->family, req->addr,
						     req->port, &asked->verdict)
				   : 0;
	return sks_socket_ready(ret_socket, &asked->verdict);
}

static void log_registration(const struct sks_arrival *arrival, int err)
{
	const struct sks_asked *asked = arrival->asked;
	char addr[SKS_PREFIX_STRLEN];

	sks_log_of(asked->peer.uid, err ? SKS_LOG_WARNING : SKS_LOG_INFO,
		   "user %u process %d %s port %u of %s in net-%llu: %s", asked->peer.uid,
		   (int)asked->peer.pid, asked->req->op == SKS_OP_CHECK ? "checks" : "registers",
		   arrival->socket.port,
		   arrival->socket.addr.len ? sks_prefix_format(&arrival->socket.addr, addr)
					    : "every address",
		   (unsigned long long)asked->netns_ino, err ? asked->verdict.text : "granted");
}

static int check_mode(struct sks_arrival *arrival)
{
	const struct sks_request *req = arrival->asked->req;

	if (!*req->label && req->mode != SKS_MODE_REFUSE)
		return sks_refuse(&arrival->asked->verdict, -EINVAL,
				  "only a label can be replaced, joined or shared");
	if (!*req->label && !arrival->instance.n_targets)
		return sks_refuse(&arrival->asked->verdict, -EINVAL, "neither ports nor a label");
	if (req->op == SKS_OP_CHECK || !req->port)
		return 0;
	if ((!sks_mode_moves(req->mode) && req->mode != SKS_MODE_SHARE) ||
	    arrival->socket.proto != SKS_TCP)
		return sks_refuse(
			&arrival->asked->verdict, -EINVAL,
			"a socket that was put elsewhere than asked for, without a reason");
	/* From here on it is what its server takes it for. */
	arrival->socket.bound = arrival->socket.port;
	arrival->socket.port = req->port;
	return 0;
}

/* What is registered stays what it was registered as, whatever is said of it now. */
static bool is_known(struct sks_arrival *arrival)
{
	uint32_t i = sks_slot_find(arrival->space, arrival->socket.cookie);
	const struct sks_slot *slot = &arrival->space->maps.slots[i];

	if (!i || arrival->asked->req->op == SKS_OP_CHECK)
		return i;
	/* Where it is bound now, the kernel says. */
	if (slot->flags & SKS_SLOT_MOVED && !arrival->socket.bound)
		arrival->socket.bound = arrival->socket.port;
	else if (!(slot->flags & SKS_SLOT_MOVED))
		arrival->socket.bound = 0;
	arrival->socket.port = sks_slot_port(arrival->space, slot);
	return true;
}

/* May the user have the port that the server asked for, had bind(2) been asked? */
static int check_moved(struct sks_arrival *arrival)
{
	struct sks_asked *asked = arrival->asked;
	const struct sks_service *service;
	struct sks_target target = { .proto = IPPROTO_TCP };

	if (is_known(arrival) || !arrival->socket.bound)
		return 0;
	if (asked->req->mode == SKS_MODE_SHARE)
		return sks_refuse(&asked->verdict, -EINVAL,
				  "a socket that is nobody's cannot be shared");
	service = sks_service_find(arrival->space, asked->peer.uid, asked->req->label, NULL);
	if (service && sks_dest_has_place(arrival->space, service, &arrival->socket))
		return 0;
	target.first = target.last = arrival->socket.port;
	/* At every address of both families, where it serves IPv6 at all of them. */
	target.where_prefix = arrival->socket.addr;
	if (arrival->socket.addr.len || !(arrival->socket.families & SKS_SERVES_V6))
		target.where = SKS_WHERE_PREFIX;
	return sks_policy_targets(&asked->peer, asked->netns, &target, 1, &asked->verdict);
}

static void judge(struct sks_asked *asked)
{
	const struct sks_request *req = asked->req;
	struct sks_arrival arrival = { .asked = asked };
	struct sks_instance *instance = &arrival.instance;
	int err = sks_targets_parse(asked->spec, req->spec_len, &instance->targets,
				    &instance->n_targets, &asked->verdict);

	if (err || read_socket(asked, &arrival.socket) || check_mode(&arrival))
		return;
	instance->id = req->instance;
	instance->pid = (uint32_t)asked->peer.pid;
	instance->spec_hash = sks_hash(asked->spec, req->spec_len);
	if (sks_policy_label(&asked->peer, req->label, &asked->verdict) ||
	    sks_policy_targets(&asked->peer, asked->netns, instance->targets, instance->n_targets,
			       &asked->verdict))
		return;
	err = sks_spaces_get(asked->spaces, asked->netns, asked->netns_ino, &arrival.space);
	if (err) {
		(void)sks_refuse_setup(&asked->verdict, err);
		if (err == -EDQUOT || err == -ENOSPC) /* the user's own doing, and no fault */
			log_registration(&arrival, err);
		else
			sks_log(SKS_LOG_ERR, "net-%llu: %s", (unsigned long long)asked->netns_ino,
				asked->verdict.text);
		return;
	}
	/* What has gone is not in the way, neither as a conflict nor as a longer prefix. */
	sks_change_sweep(arrival.space, 0);
	err = check_moved(&arrival) ?: sks_admit(&arrival);
	if (!err && req->op == SKS_OP_CHECK && asked->steered && req->port)
		err = sks_place(asked, arrival.space, &arrival.socket);
	if (!err)
		sks_targets_remark(asked->netns, instance->targets, instance->n_targets,
				   &asked->verdict);
	log_registration(&arrival, err);
}

void sks_ask_register(struct sks_asked *asked)
{
	judge(asked);
	/* It may have been registered before, whatever is said of it now. */
	if (asked->req->op == SKS_OP_REGISTER)
		sks_token_tell(asked);
}
