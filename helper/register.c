// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns registration: a server's socket joins its instance's service, and brings the spec along. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "../common/cleanup.h"
#include "binding.h"
#include "change.h"
#include "dest.h"
#include "hash.h"
#include "inside.h"
#include "log.h"
#include "policy.h"
#include "request.h"
#include "slot.h"

static const char *const mode_names[] = {
	[SKS_MODE_REFUSE] = "refuse",
	[SKS_MODE_REPLACE] = "replace",
	[SKS_MODE_JOIN] = "join",
	[SKS_MODE_SHARE] = "share",
};

struct registration {
	struct sks_asked *asked;
	struct sks_space *space;
	struct sks_socket socket;
	const struct sks_target *targets;
	size_t n_targets;
	uint64_t spec_hash;
};

/* It must be the connection's. By cookies where there are any: they are never used again. */
static int check_netns(struct sks_asked *asked)
{
	uint64_t cookie = sks_netns_cookie(asked->fd), ino;
	CLEANUP_FD int netns = -1;
	bool same = cookie == asked->netns_cookie;
	int err;

	if (!cookie || !asked->netns_cookie) {
		err = sks_netns_of_socket(asked->fd, &netns, &ino);
		if (err)
			return sks_refuse(&asked->verdict, err,
					  "the socket's namespace is unknown: %s", strerror(-err));
		same = ino == asked->netns_ino;
	}
	if (!same)
		return sks_refuse(&asked->verdict, -EXDEV,
				  "the socket is of another network namespace than its sender");
	return 0;
}

/* The descriptor, as it is or (CHECK) as it is about to be. */
static int read_socket(struct sks_asked *asked, struct sks_socket *ret_socket)
{
	const struct sks_request *req = asked->req;
	int err;

	if (asked->fd < 0)
		return sks_refuse(&asked->verdict, -EBADF, "no descriptor came along");
	err = sks_socket_read(asked->fd, ret_socket, &asked->verdict);
	if (err)
		return err;
	err = check_netns(asked);
	if (err)
		return err;
	if (req->op == SKS_OP_CHECK)
		return req->family ? sks_socket_plan(ret_socket, asked->fd, req->family, req->addr,
						     req->port, &asked->verdict)
				   : 0;
	return sks_socket_ready(ret_socket, &asked->verdict);
}

static bool is_owner(const struct registration *reg, const struct sks_owner *owner)
{
	return !memcmp(owner->instance, reg->asked->req->instance, sizeof(owner->instance));
}

/*
 * Does a clause speak of this socket? One without a listener, or a label without a spec, speaks of
 * the instance's first listener of the protocol, which first_port names or this becomes.
 */
static bool is_selected(const struct registration *reg, uint16_t first_port)
{
	const struct sks_socket *sock = &reg->socket;
	uint8_t proto = sock->proto == SKS_UDP ? IPPROTO_UDP : IPPROTO_TCP;
	bool first = !first_port || first_port == sock->port;

	if (!reg->n_targets)
		return first;
	for (size_t i = 0; i < reg->n_targets; i++) {
		const struct sks_target *target = &reg->targets[i];

		if (target->listener_port ? sks_target_names(target, proto, &sock->addr, sock->port)
					  : target->proto == proto && first)
			return true;
	}
	return false;
}

static int refuse_busy(struct registration *reg, const struct sks_service *service)
{
	const struct sks_owner *owner = sks_owner(service, sks_epoch(&reg->space->maps));

	return sks_refuse(&reg->asked->verdict, -EADDRINUSE,
			  "label \"%s\" is served by another instance (process %u)", service->label,
			  owner->pid);
}

static void forget_spec(struct sks_space *space, const struct sks_service *service)
{
	uint16_t number = sks_service_number(space, service);
	uint32_t next = sks_next_epoch(space);

	for (uint32_t i = 0; i < space->n_bindings; i++) {
		struct sks_binding *binding = &space->maps.bindings[i];

		if (binding->service == number && binding->source == SKS_FROM_SPEC &&
		    sks_alive(binding->born, binding->died, next))
			sks_store_kill_binding(space, binding);
	}
}

/* Another instance, or another spec of the same one: what the old one brought goes. */
static int bring_spec(struct registration *reg, struct sks_service *service)
{
	struct sks_space *space = reg->space;
	const struct sks_asked *asked = reg->asked;
	struct sks_owner *owner = sks_owner_next(space, service);
	bool same = is_owner(reg, owner);
	int err = 0;

	if (same && owner->spec_hash == reg->spec_hash)
		return 0;
	if (service->born != sks_next_epoch(space))
		forget_spec(space, service);
	/* first_port stays: until this instance has its own, the last one's refuses there. */
	if (!same)
		owner->taken_over = sks_next_epoch(space);
	memcpy(owner->instance, asked->req->instance, sizeof(owner->instance));
	owner->pid = (uint32_t)asked->peer.pid;
	owner->spec_hash = reg->spec_hash;
	for (size_t i = 0; !err && i < reg->n_targets; i++)
		err = sks_binding_add(space, service, &reg->targets[i], SKS_FROM_SPEC,
				      &reg->asked->verdict);
	return err;
}

static struct sks_change change_of(struct registration *reg)
{
	struct sks_asked *asked = reg->asked;

	return (struct sks_change){
		.spaces = asked->spaces,
		.space = reg->space,
		.peer = &asked->peer,
		.netns = asked->netns,
		.dry = asked->req->op == SKS_OP_CHECK,
		.fd = asked->fd,
		.verdict = &asked->verdict,
	};
}

/* first: this is the instance's first listener of its protocol. joins: it is not registered yet. */
static int change_service(struct registration *reg, struct sks_service *service, bool first,
			  bool joins)
{
	struct sks_change change = change_of(reg);
	struct sks_verdict *verdict = change.verdict;
	int err;

	if (!service) {
		err = sks_service_add(reg->space, change.peer, reg->asked->req->label, &service);
		if (err)
			return sks_refuse_room(verdict, err, "services", SKS_MAX_SERVICES);
	}
	err = bring_spec(reg, service);
	if (!err && first)
		sks_owner_next(reg->space, service)->first_port[reg->socket.proto] =
			reg->socket.port;
	change.service = service;
	change.socket = joins ? &reg->socket : NULL;
	if (!err) {
		sks_dests_leave(reg->space, service);
		err = sks_dest_get(reg->space, service, &reg->socket, &change.dest);
		if (err)
			(void)sks_refuse_room(verdict, err, "listeners", SKS_MAX_DESTS - 1);
	}
	if (!err)
		return sks_change_finish(&change);
	sks_store_abort(reg->space);
	return err;
}

/* Not steered itself, but what an instance's own listener holds, its "*" leaves out. */
static int leave_out(struct registration *reg, struct sks_service *service)
{
	struct sks_change change = change_of(reg);
	uint16_t number = sks_service_number(reg->space, service);
	uint32_t next = sks_next_epoch(reg->space);
	bool wide = false;

	for (uint32_t i = 0; !wide && i < reg->space->n_bindings; i++) {
		const struct sks_binding *binding = &reg->space->maps.bindings[i];

		wide = binding->service == number && binding->source != SKS_LEFT_OUT &&
		       (uint32_t)binding->last - binding->first >= SKS_RANGE_EXCLUSIVE &&
		       sks_alive(binding->born, binding->died, next);
	}
	change.service = service;
	return wide && !change.dry ? sks_change_finish(&change) : 0;
}

/* The instance's first listener of the protocol, or 0: there is none, or it is gone. */
static uint16_t first_port(const struct registration *reg, const struct sks_service *service)
{
	const struct sks_owner *owner = sks_owner(service, sks_epoch(&reg->space->maps));
	uint16_t number = sks_service_number(reg->space, service);
	uint16_t port = owner->first_port[reg->socket.proto];

	for (uint32_t i = 1; i < reg->space->n_slots; i++) {
		const struct sks_slot *slot = &reg->space->maps.slots[i];
		const struct sks_dest *dest = &reg->space->maps.dests[slot->dest];

		if (slot->cookie && dest->service == number && dest->port == port &&
		    dest->proto == reg->socket.proto)
			return port;
	}
	return 0;
}

/* The same socket again: listen(2) twice, a child or a new program that inherited it. */
static int register_again(struct registration *reg, uint32_t slot)
{
	const struct sks_service *service = sks_service_of_slot(reg->space, slot);
	const struct sks_owner *owner = sks_owner(service, sks_epoch(&reg->space->maps));

	reg->asked->steered = owner->spec_hash == reg->spec_hash;
	if (!reg->asked->steered)
		sks_remark(&reg->asked->verdict,
			   "this socket is registered already: %s%s, and this spec does not apply",
			   service->uid == reg->asked->peer.uid ? "as " : "as another user's",
			   service->uid == reg->asked->peer.uid ? service->label : "");
	return 0;
}

static int try_register(struct registration *reg)
{
	const struct sks_request *req = reg->asked->req;
	struct sks_service *service =
		sks_service_find(reg->space, reg->asked->peer.uid, req->label, req->instance);
	uint32_t slot = sks_slot_find(reg->space, reg->socket.cookie);
	const struct sks_owner *owner = service ? sks_owner(service, sks_epoch(&reg->space->maps))
						: NULL;
	bool mine = owner && is_owner(reg, owner);
	uint16_t first = mine ? first_port(reg, service) : 0;

	if (!is_selected(reg, first))
		return mine ? leave_out(reg, service) : 0;
	if (slot && (sks_service_of_slot(reg->space, slot) != service ||
		     (mine && owner->spec_hash == reg->spec_hash)))
		return register_again(reg, slot);
	if (service && !mine && sks_service_sockets(reg->space, service))
		return refuse_busy(reg, service);
	reg->asked->steered = true;
	return change_service(reg, service, !first, !slot);
}

static void log_registration(const struct registration *reg, int err)
{
	const struct sks_asked *asked = reg->asked;
	char addr[SKS_PREFIX_STRLEN];

	sks_log(err ? SKS_LOG_WARNING : SKS_LOG_INFO,
		"user %u process %d %s port %u of %s in net-%llu: %s", asked->peer.uid,
		(int)asked->peer.pid, asked->req->op == SKS_OP_CHECK ? "checks" : "registers",
		reg->socket.port,
		reg->socket.addr.len ? sks_prefix_format(&reg->socket.addr, addr) : "every address",
		(unsigned long long)asked->netns_ino, err ? asked->verdict.text : "granted");
}

void sks_ask_register(struct sks_asked *asked)
{
	const struct sks_request *req = asked->req;
	struct registration reg = { .asked = asked };
	int err = sks_targets_parse(asked->spec, req->spec_len, &reg.targets, &reg.n_targets,
				    &asked->verdict);

	if (err || read_socket(asked, &reg.socket))
		return;
	if (req->mode != SKS_MODE_REFUSE) {
		(void)sks_refuse(&asked->verdict, -EOPNOTSUPP, "mode \"%s\" is not supported yet",
				 mode_names[req->mode]);
		return;
	}
	if (!reg.n_targets && !*req->label) {
		(void)sks_refuse(&asked->verdict, -EINVAL, "neither ports nor a label");
		return;
	}
	if (sks_policy_targets(&asked->peer, asked->netns, reg.targets, reg.n_targets,
			       &asked->verdict))
		return;
	err = sks_spaces_get(asked->spaces, asked->netns, asked->netns_ino, &reg.space);
	if (err) {
		(void)sks_refuse_setup(&asked->verdict, err);
		sks_log(SKS_LOG_ERR, "net-%llu: %s", (unsigned long long)asked->netns_ino,
			asked->verdict.text);
		return;
	}
	reg.spec_hash = sks_hash(asked->spec, req->spec_len);
	/* What has gone is not in the way, neither as a conflict nor as a longer prefix. */
	sks_change_sweep(reg.space, 0);
	err = try_register(&reg);
	if (!err)
		sks_targets_remark(asked->netns, reg.targets, reg.n_targets, &asked->verdict);
	log_registration(&reg, err);
}
