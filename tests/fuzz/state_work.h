/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the helper of state_fuzz.c does before it is killed, and after it has taken up. */
#ifndef SKSTEER_STATE_WORK_H
#define SKSTEER_STATE_WORK_H

#include <netinet/in.h>

#include "../../helper/binding.h"
#include "../../helper/change.h"
#include "../../helper/dest.h"
#include "../../helper/group.h"
#include "../../helper/instance.h"
#include "../../helper/moved.h"
#include "../../helper/report.h"
#include "../../helper/slot.h"
#include "fake_bpf.h"

static struct sks_space *space; /* NULL: no helper serves it */
static int next_socket;
static int64_t now_ms;

static struct sks_service *pick_service(struct fuzz_input *input)
{
	static const uint8_t nobody[SKS_INSTANCE_SIZE] = { 9 };
	const struct sks_peer peer = { .uid = 1000 };
	char label[] = { (char)('a' + fuzz_byte(input) % 5), 0 };
	struct sks_service *service;

	if (*label == 'e') /* an ephemeral one */
		*label = 0;
	service = sks_service_find(space, peer.uid, label, nobody);
	if (!service && !sks_service_add(space, &peer, label, &service) && !*label)
		memcpy(sks_owner_next(space, service)->instance, nobody, sizeof(nobody));
	return service;
}

/* As in the environment of a server, or from sksteerctl. */
static struct sks_target pick_target(struct fuzz_input *input)
{
	static const char *const texts[] = {
		"7",
		"any:7",
		"8-9",
		"*",
		"any:*",
		"any:1-2000/udp",
		"7777=81",
		"[::1]:7777=any:82",
		"10.0.0.0/8:80",
		"10.0.0.0/8:*",
		"[2001:db8::/32]:80",
		"127.0.0.1:80/udp",
	};
	const char *text = texts[fuzz_byte(input) % (sizeof(texts) / sizeof(*texts))];
	struct sks_target target;
	struct sks_spec_error error;
	size_t n;

	CHECK(!sks_spec_parse(text, strlen(text), &target, 1, &n, &error) && n == 1);
	return target;
}

static void bind_target(struct fuzz_input *input)
{
	struct sks_service *service = pick_service(input);
	struct sks_target target = pick_target(input);
	uint8_t how = fuzz_byte(input);
	struct sks_verdict verdict;

	/* Many prefixes on one port: more than a rule has room for. */
	for (unsigned int i = 0; service && i < (how & 1 ? 7 : 1); i++) {
		if (target.where == SKS_WHERE_PREFIX)
			target.where_prefix.addr[1] =
				(uint8_t)(how & 1 ? i : target.where_prefix.addr[1]);
		if (target.where == SKS_WHERE_PREFIX && how & 1)
			target.where_prefix.len = 32;
		if (sks_binding_add(space, service, &target,
				    how & 2 ? SKS_FROM_CTL : SKS_LEFT_OUT + (how >> 2 & 1), 0,
				    &verdict))
			return;
	}
}

static void unbind(struct fuzz_input *input)
{
	uint32_t i = fuzz_byte(input);

	if (i < space->n_bindings && sks_in_next(space, &space->maps.bindings[i]))
		sks_store_kill_binding(space, &space->maps.bindings[i]);
}

static struct sks_socket pick_socket(struct fuzz_input *input)
{
	static const struct sks_socket kinds[] = {
		{ .families = SKS_SERVES_V4 | SKS_SERVES_AS_V4, .addr = { .family = AF_INET } },
		{ .families = SKS_SERVES_V6, .addr = { .family = AF_INET6 } },
		{ .families = SKS_SERVES_BOTH | SKS_SERVES_AS_V6, .addr = { .family = AF_INET6 } },
		{ .families = SKS_SERVES_V4 | SKS_SERVES_AS_V4,
		  .addr = { AF_INET, 32, { 127, 0, 0, 1 } } },
		{ .families = SKS_SERVES_V6, .addr = { AF_INET6, 128, { [15] = 1 } } },
		{ .families = SKS_SERVES_V4 | SKS_SERVES_AS_V4,
		  .addr = { .family = AF_INET },
		  .ifindex = 3 },
	};
	uint8_t how = fuzz_byte(input);
	struct sks_socket socket = kinds[how % 6];

	socket.proto = how & 64 ? SKS_UDP : SKS_TCP;
	socket.port = 7777 + (how >> 7);
	socket.cookie = (uint64_t)++next_socket;
	return socket;
}

/* As helper/register.c and change.c do it, but nobody is asked whether it may be. */
static void register_socket(struct fuzz_input *input)
{
	struct sks_service *service = pick_service(input);
	struct sks_socket socket = pick_socket(input);
	uint8_t how = fuzz_byte(input), id[SKS_INSTANCE_SIZE] = { 1 + how % 3 };
	struct sks_target target = pick_target(input);
	struct sks_instance instance = { id, 77, 1u + how % 5, &target, how & 8 ? 1 : 0 };
	struct sks_slot init = { .cookie = socket.cookie,
				 .families = socket.families,
				 .pid = 0x7fffffff,
				 .weight = fuzz_byte(input) };
	struct sks_verdict verdict;
	struct sks_owner *owner;
	struct sks_dest *dest;
	uint32_t slot = 0;
	int err = service ? 0 : -ENOSPC;

	memcpy(init.instance, id, sizeof(id));
	if (!err && how & 16) {
		init.flags = SKS_SLOT_STANDBY;
		init.since = sks_next_epoch(space);
		err = sks_instance_stand_by(space, service, &instance, &init, &verdict)
			      ?: sks_dest_get_standby(space, service, &socket, &dest);
	} else if (!err) {
		err = sks_instance_take(space, service, &instance, &verdict)
			      ?: sks_dest_get(space, service, &socket, &dest);
		owner = sks_owner_next(space, service);
		if (!owner->first_port[socket.proto])
			owner->first_port[socket.proto] = socket.port;
		init.since = owner->taken_over;
		init.spec = owner->spec;
		init.spec_hash = owner->spec_hash;
	}
	if (how & 32) {
		init.flags |= SKS_SLOT_MOVED;
		init.port = 4000;
	}
	if (!err)
		err = sks_slot_take(space, dest, (int)socket.cookie, &init, &slot)
			      ?: sks_moved_settle(space, service, &verdict);
	if (!err && how & 64)
		err = sks_group_start(space, dest, how >> 7);
	if (!err && !sks_change_republish(space)) {
		if (!(init.flags & SKS_SLOT_STANDBY))
			sks_slot_link(space, slot, SKS_SERVES_BOTH, (int)socket.cookie);
		return;
	}
	if (slot)
		sks_slot_drop(space, slot);
	sks_store_abort(space);
}

static void close_socket(struct fuzz_input *input)
{
	uint32_t slot = fuzz_byte(input) % space->maps.entries[SKS_MAP_SOCKETS];

	*fake_socket(slot) = 0;
}

static void end_service(struct fuzz_input *input)
{
	struct sks_service *service = pick_service(input);

	if (!service)
		return;
	sks_service_kill(space, service);
	if (sks_change_republish(space))
		return;
	for (uint32_t i = 1; i < space->n_slots; i++) {
		if (space->maps.slots[i].cookie && sks_service_of_slot(space, i) == service)
			sks_slot_drop(space, i);
	}
}

static void tell(void)
{
	struct json_object *report = sks_report(space, SKS_UID_ALL, "");

	CHECK(report && json_object_to_json_string(report));
	json_object_put(report);
}

/* What helpers ask of records before they change any. */
static void look(struct fuzz_input *input)
{
	const uint8_t id[SKS_INSTANCE_SIZE] = { 1 + fuzz_byte(input) % 3 };
	struct sks_target target = pick_target(input);
	struct sks_socket socket = pick_socket(input);
	struct sks_matches matches;

	for (uint32_t i = 0; i < space->n_services; i++) {
		const struct sks_service *service = &space->maps.services[i];

		if (!sks_in_next(space, service))
			continue;
		(void)sks_service_sockets(space, service);
		(void)sks_instance_other(space, service, id, false);
		(void)sks_instance_replaced(space, service, id);
		(void)sks_instance_first(space, service, id, SKS_TCP);
		(void)sks_dest_has_place(space, service, &socket);
	}
	(void)sks_slot_find(space, fuzz_byte(input));
	CHECK(!sks_targets_match(space, 1000, &target, 1, &matches));
	free(matches.list);
}

/* Published, and no socket is in a chain yet: who is killed now leaves that to the next one. */
static void promote(struct fuzz_input *input)
{
	const uint8_t nobody[SKS_INSTANCE_SIZE] = {};
	struct sks_service *service = pick_service(input);
	uint32_t slot = service ? sks_instance_other(space, service, nobody, true) : 0;

	if (!slot)
		return;
	sks_instance_restore(space, service, slot);
	sks_dest_open(space, &space->maps.dests[space->maps.slots[slot].dest],
		      space->maps.slots[slot].families);
	(void)sks_change_republish(space);
	fake_kill();
}

/* A label whose server is down, or listens elsewhere now. */
static void leave(struct fuzz_input *input)
{
	struct sks_service *service = pick_service(input);

	if (!service)
		return;
	sks_dests_leave(space, service);
	(void)sks_dest_stand_in(space, service, fuzz_byte(input) & 1);
	(void)sks_change_republish(space);
}

static void work(struct fuzz_input *input, uint8_t what)
{
	switch (what % 13) {
	case 0:
	case 1:
		bind_target(input);
		break;
	case 2:
	case 3:
		register_socket(input);
		break;
	case 4:
		close_socket(input);
		break;
	case 5:
		sks_change_sweep(space, now_ms += 6000);
		break;
	case 6:
		(void)sks_change_republish(space);
		break;
	case 7:
		unbind(input);
		break;
	case 8:
		end_service(input);
		break;
	case 9:
		look(input);
		break;
	case 10:
		promote(input);
		break;
	case 11:
		leave(input);
		break;
	default:
		tell();
	}
}

#endif
