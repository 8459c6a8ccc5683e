/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the test of independent sockets that share a destination by weight, as TAP: the verdicts of
 * the loaded program on many clients, while sockets come, go, and change their weight.
 *
 * Usage, as root: group_test
 */
#include "../../helper/change.h"
#include "../../helper/dest.h"
#include "../../helper/group.h"
#include "../../helper/slot.h"
#include "dispatch_real.h"

#define CLIENTS 4096
#define MEMBERS 5
#define PORT	80

static struct sks_dest *dest;
static struct m_socket members[MEMBERS];

/* Which member gets the client's packet, or MEMBERS: none. */
static unsigned int pick(unsigned int family, unsigned int client)
{
	struct bpf_sk_lookup ctx = {
		.family = m_family(family),
		.protocol = IPPROTO_TCP,
		.remote_port = htons((uint16_t)(32768 + client % 28000)),
		.local_port = PORT,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .ctx_out = &ctx, .ctx_size_out = sizeof(ctx));

	if (family == SKS_V6) {
		ctx.remote_ip6[0] = ctx.local_ip6[0] = htonl(0x20010db8);
		ctx.remote_ip6[3] = htonl(client / 64);
	} else {
		ctx.local_ip4 = htonl(0x0a000001);
		ctx.remote_ip4 = htonl(0x0a000100 + client / 64);
	}
	real_open_program();
	need(bpf_prog_test_run_opts(real_program, &opts) == 0, "BPF_PROG_TEST_RUN");
	for (unsigned int i = 0; i < MEMBERS; i++) {
		if (ctx.cookie && ctx.cookie == members[i].cookie)
			return i;
	}
	return MEMBERS;
}

static void pick_all(unsigned int family, uint8_t picks[CLIENTS])
{
	for (unsigned int client = 0; client < CLIENTS; client++)
		picks[client] = (uint8_t)pick(family, client);
}

static void count(const uint8_t picks[CLIENTS], unsigned int ret_counts[MEMBERS + 1])
{
	memset(ret_counts, 0, (MEMBERS + 1) * sizeof(*ret_counts));
	for (unsigned int client = 0; client < CLIENTS; client++)
		ret_counts[picks[client]]++;
}

/* Do the members with these weights get their share of the clients, give or take a quarter? */
static void check_shares(const uint8_t picks[CLIENTS], const unsigned int weights[MEMBERS],
			 const char *what)
{
	unsigned int counts[MEMBERS + 1], total = 0;

	count(picks, counts);
	for (unsigned int i = 0; i < MEMBERS; i++)
		total += weights[i];
	tap_check(counts[MEMBERS] == 0, "%s: every client gets a socket", what);
	for (unsigned int i = 0; i < MEMBERS; i++) {
		unsigned int due = CLIENTS * weights[i] / total;

		tap_check(counts[i] >= due * 3 / 4 && counts[i] <= due * 5 / 4,
			  "%s: weight %u of %u gets %u of %u clients", what, weights[i], total,
			  counts[i], CLIENTS);
	}
}

/* Clients that another member gets now, those of `left` (MEMBERS: nobody) apart. */
static unsigned int moved(const uint8_t before[CLIENTS], const uint8_t after[CLIENTS],
			  unsigned int left)
{
	unsigned int n = 0;

	for (unsigned int client = 0; client < CLIENTS; client++)
		n += before[client] != after[client] && before[client] != left;
	return n;
}

static void add_member(unsigned int i, uint16_t weight)
{
	struct sks_slot slot = { .weight = weight };

	members[i] = real_socket(SKS_TCP, SKS_SERVES_BOTH | SKS_SERVES_AS_V6);
	slot.cookie = members[i].cookie;
	slot.families = members[i].families;
	need_done(sks_slot_take(space, dest, members[i].fd, &slot, &members[i].slot),
		  "sks_slot_take");
	sks_slot_link(space, members[i].slot, SKS_SERVES_BOTH, members[i].fd);
}

static void close_member(unsigned int i)
{
	close(members[i].fd);
}

/* One label with one wildcard destination, to which any:80 leads. */
static void set_up(void)
{
	struct sks_verdict verdict = {};
	struct sks_socket sock = {
		.proto = SKS_TCP,
		.families = SKS_SERVES_BOTH | SKS_SERVES_AS_V6,
		.addr = { .family = AF_INET6 },
		.port = PORT,
	};
	struct sks_service *service;
	struct sks_binding *binding;

	need_done(sks_store_add_service(space, &service), "sks_store_add_service");
	service->named = 1;
	memcpy(service->label, "group", sizeof("group"));
	need_done(sks_store_add_binding(space, SKS_FROM_CTL, &binding), "sks_store_add_binding");
	binding->service = sks_service_number(space, service);
	binding->first = binding->last = PORT;
	binding->where = SKS_WHERE_ANY;
	sks_owner_next(space, service)->first_port[SKS_TCP] = PORT;
	need_done(sks_dest_get(space, service, &sock, &dest), "sks_dest_get");
	need_done(sks_change_republish(space), "sks_change_republish");
	(void)verdict;
}

/* Another destination may get its number next. */
static bool has_place(unsigned int family, uint32_t slot)
{
	const struct sks_group *group = &space->maps.groups[dest->group[family]];

	for (unsigned int i = 0; i < SKS_GROUP_PLACES; i++) {
		if (group->place[i] == slot)
			return true;
	}
	return false;
}

static void play(unsigned int family)
{
	static uint8_t before[CLIENTS], after[CLIENTS], again[CLIENTS];

	pick_all(family, before);
	check_shares(before, (const unsigned int[MEMBERS]){ 100, 100, 200, 400 }, "four");
	tap_check(has_place(family, members[1].slot), "each has places");
	pick_all(family, again);
	tap_check(!moved(before, again, MEMBERS), "a client that tries again gets the same socket");

	close_member(1);
	pick_all(family, after);
	tap_check(!moved(before, after, 1),
		  "a socket that has just been closed moves only its clients");
	tap_check(pick(family, 0) != 1, "and none of them goes to it");
	(void)sks_slots_sweep(space);
	tap_check(!has_place(family, members[1].slot), "one that is taken out has no place");
	pick_all(family, after);
	tap_check(!moved(before, after, 1), "a socket that is taken out moves only its clients");
	check_shares(after, (const unsigned int[MEMBERS]){ 100, 0, 200, 400 }, "three");

	add_member(1, 100);
	pick_all(family, again);
	tap_check(moved(after, again, MEMBERS) < CLIENTS * 100 / 800 * 5 / 4,
		  "one that comes takes no more than its share");
	check_shares(again, (const unsigned int[MEMBERS]){ 100, 100, 200, 400 }, "four again");

	space->maps.slots[members[3].slot].weight = 0;
	sks_group_update(space, dest);
	pick_all(family, after);
	tap_check(!moved(again, after, 3), "a weight of 0 moves only its clients");
	check_shares(after, (const unsigned int[MEMBERS]){ 100, 100, 200, 0 }, "drained");
	space->maps.slots[members[3].slot].weight = 400;
	sks_group_update(space, dest);
	pick_all(family, before);
	/* Killed when the group was there and the head was not gone yet. */
	need_done(sks_bpf_put_head(&space->maps, (uint32_t)(dest - space->maps.dests) * 2 + family,
				   members[0].fd),
		  "sks_bpf_put_head");
	real_crash();
	dest = &space->maps.dests[space->maps.slots[members[0].slot].dest];
	pick_all(family, after);
	tap_check(!moved(before, after, MEMBERS), "the next helper moves nobody");
}

/* A helper that died after it had freed a slot, before the group forgot it. */
static void check_stale_place(void)
{
	uint32_t number = dest->group[SKS_V4], stale = 0;
	struct sks_group before = space->maps.groups[number];

	close_member(1);
	(void)sks_slots_sweep(space);
	space->maps.groups[number] = before;
	real_crash();
	dest = &space->maps.dests[space->maps.slots[members[0].slot].dest];
	for (unsigned int i = 0; i < SKS_GROUP_PLACES; i++) {
		uint32_t slot = space->maps.groups[number].place[i];

		stale += slot && !space->maps.slots[slot].cookie;
	}
	tap_check(!stale, "after a helper's death no place is a slot's that nobody has (%u are)",
		  stale);
}

/* A helper that died after it had freed a destination, before its heads were empty. */
static void check_stale_head(void)
{
	uint32_t head = 2 * space->n_dests;
	struct sks_dest *other;
	uint64_t cookie;

	need_done(sks_bpf_put_head(&space->maps, head, members[0].fd), "sks_bpf_put_head");
	real_crash();
	dest = &space->maps.dests[space->maps.slots[members[0].slot].dest];
	do
		need_done(sks_store_add_dest(space, &other), "sks_store_add_dest");
	while (other != &space->maps.dests[head / 2]);
	tap_check(bpf_map_lookup_elem(space->maps.fd[SKS_MAP_HEADS], &head, &cookie) != 0,
		  "after a helper's death a new destination has no head");
	sks_store_abort(space);
}

/* A helper that died after a group had begun, before the head was empty. */
static void check_shared_head(void)
{
	uint32_t head = 2 * (uint32_t)(dest - space->maps.dests);
	uint64_t cookie;

	need_done(sks_bpf_put_head(&space->maps, head, members[0].fd), "sks_bpf_put_head");
	real_crash();
	dest = &space->maps.dests[space->maps.slots[members[0].slot].dest];
	tap_check(bpf_map_lookup_elem(space->maps.fd[SKS_MAP_HEADS], &head, &cookie) != 0,
		  "after a helper's death what is shared has no head");
}

int main(void)
{
	static uint8_t picks[CLIENTS];

	printf("# independent sockets share a destination\n");
	real_start();
	set_up();
	add_member(0, 100);
	need_done(sks_group_start(space, dest, SKS_V4), "sks_group_start");
	need_done(sks_group_start(space, dest, SKS_V6), "sks_group_start");
	pick_all(SKS_V4, picks);
	check_shares(picks, (const unsigned int[MEMBERS]){ 100 }, "alone");
	add_member(1, 100);
	add_member(2, 200);
	add_member(3, 400);
	play(SKS_V4);
	play(SKS_V6);
	check_shared_head();
	check_stale_head();
	check_stale_place();
	for (unsigned int i = 0; i < 4; i++)
		close_member(i);
	tap_check(pick(SKS_V4, 1) == MEMBERS, "with all of them closed nobody serves");
	return tap_done();
}
