/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns which program stands where on dispatch.c's stage, and that the random one is what it should
 * be.
 */
#ifndef SKSTEER_BENCH_STAGE_H
#define SKSTEER_BENCH_STAGE_H

#include "plan.h"
#include "stopwatch.h"

#define SAMPLES 2000 /* random packets on which both builds of the dispatcher must agree */

static int open_pinned(const char *dir)
{
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/program", dir);
	fd = bpf_obj_get(path);
	need(fd >= 0, path);
	return fd;
}

static int load_again(const char *dir, bool counts)
{
	int pinned = open_pinned(dir);
	int prog = program(load_dispatcher("dispatch", pinned, counts, -1), "sksteer");

	close(pinned);
	return prog;
}

/* What random.bpf.c says to its packets is what the loaded program says to them. */
static void check_random(int prog, int pinned, struct bench_packets *packets)
{
	struct bpf_sk_lookup any = packet4(0, 0, IPPROTO_TCP);

	for (uint32_t i = 0; i < SAMPLES; i++) {
		uint32_t turn = plan_hash(i) % BENCH_PACKETS;
		struct bench_packet p = packets->of[turn];
		struct bpf_sk_lookup real = packet4(p.addr, p.port, IPPROTO_TCP);
		struct outcome ours, theirs = run_once(pinned, &real);

		packets->turn = turn - 1;
		ours = run_once(prog, &any);
		if (ours.verdict != SK_PASS || !ours.cookie || theirs.verdict != SK_PASS ||
		    theirs.cookie != ours.cookie)
			errx(1, "port %u of %08x: verdict %u, socket %llu, but %u, %llu loaded",
			     p.port, ntohl(p.addr), ours.verdict, (unsigned long long)ours.cookie,
			     theirs.verdict, (unsigned long long)theirs.cookie);
	}
}

/* The dispatcher of dir, for the peers' packets, which are drawn here. */
static struct run load_random(const struct loaded *peers, const char *dir, enum plan_kind kind,
			      uint32_t n)
{
	int pinned = open_pinned(dir), packets = map_fd(peers->obj, ".data.bench");
	const struct bpf_object *obj = load_dispatcher("bench/random", pinned, false, packets);
	struct run run = { program(obj, "random_sksteer"), packet4(0, 0, IPPROTO_TCP) };

	plan_draw(peers->packets, kind, n);
	check_random(run.prog, pinned, peers->packets);
	close(pinned);
	return run;
}

static struct run peer_run(const struct loaded *peers, const char *name)
{
	return (struct run){ program(peers->obj, name),
			     packet4(htonl(INADDR_LOOPBACK), PLAN_ANY_PORT, IPPROTO_TCP) };
}

#endif
