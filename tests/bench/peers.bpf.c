// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns what the dispatcher is compared with: a program that does nothing, the least that steers
 * anything (the floor), and what one writes first: a hash of ports before one socket (the seeds'
 * program). Each once for a packet that stays the same, and once for a new one in each run.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "turn.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} socket SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u16);
	__type(value, __u8);
} seed_ports SEC(".maps");

static __always_inline int steer(struct bpf_sk_lookup *ctx)
{
	__u32 zero = 0;
	struct bpf_sock *sk = bpf_map_lookup_elem(&socket, &zero);
	long err;

	if (!sk)
		return SK_DROP;
	err = bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	return err ? SK_DROP : SK_PASS;
}

static __always_inline int steer_port(struct bpf_sk_lookup *ctx, __u16 port)
{
	if (!bpf_map_lookup_elem(&seed_ports, &port))
		return SK_PASS;
	return steer(ctx);
}

/* Takes the packet from memory, as every verdict on it has to; the compiler must not skip that. */
static __always_inline __u16 next_port(void)
{
	__u32 port;

	bench_next();
	port = bench_packet()->port;
	asm volatile("" : "+r"(port));
	return port;
}

SEC("sk_lookup")
int empty(struct bpf_sk_lookup *ctx)
{
	(void)ctx;
	return SK_PASS;
}

SEC("sk_lookup")
int least(struct bpf_sk_lookup *ctx)
{
	return steer(ctx);
}

SEC("sk_lookup")
int seed(struct bpf_sk_lookup *ctx)
{
	return steer_port(ctx, ctx->local_port);
}

SEC("sk_lookup")
int random_empty(struct bpf_sk_lookup *ctx)
{
	(void)ctx;
	next_port();
	return SK_PASS;
}

SEC("sk_lookup")
int random_least(struct bpf_sk_lookup *ctx)
{
	next_port();
	return steer(ctx);
}

SEC("sk_lookup")
int random_seed(struct bpf_sk_lookup *ctx)
{
	return steer_port(ctx, next_port());
}

char _license[] SEC("license") = "Dual BSD/GPL";
