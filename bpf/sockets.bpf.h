/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns which of a destination's sockets takes a packet, where it is not simply the first. */
#ifndef SKSTEER_SOCKETS_BPF_H
#define SKSTEER_SOCKETS_BPF_H

#include "rules.bpf.h"

#define NO_SOCKET 1 /* assign(): the slot is empty; kernel errors are negative */

/* 0 when the socket took it, NO_SOCKET, or why it did not. */
static __always_inline long assign(struct bpf_sk_lookup *ctx, __u32 slot)
{
	struct bpf_sock *sk = bpf_map_lookup_elem(&sockets, &slot);
	long err;

	if (!sk)
		return NO_SOCKET;
	/* Without BPF_SK_LOOKUP_F_NO_REUSEPORT: the kernel spreads over a SO_REUSEPORT group. */
	err = bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	return err;
}

/* The same for all packets of one client's connection, a retransmitted SYN included. */
static __always_inline __u32 hash_of(struct bpf_sk_lookup *ctx)
{
	__u32 hash = ctx->remote_port * 0x9e3779b1u ^ ctx->local_port;

	if (ctx->family == AF_INET6) {
		__u32 words[8] = { ctx->remote_ip6[0], ctx->remote_ip6[1], ctx->remote_ip6[2],
				   ctx->remote_ip6[3], ctx->local_ip6[0],  ctx->local_ip6[1],
				   ctx->local_ip6[2],  ctx->local_ip6[3] };

		for (int i = 0; i < 8; i++)
			hash = (hash ^ words[i]) * 0x85ebca6bu;
	} else {
		hash = (hash ^ ctx->remote_ip4) * 0x85ebca6bu;
		hash = (hash ^ ctx->local_ip4) * 0x85ebca6bu;
	}
	hash ^= hash >> 15;
	hash *= 0xc2b2ae35u;
	return hash ^ hash >> 16;
}

/* The slot of the place that a hash picks, or 0. */
static __always_inline __u32 pick(const struct sks_group *group, __u32 hash)
{
	return group->place[hash & (SKS_GROUP_PLACES - 1)];
}

/*
 * Independent sockets share the destination. Where the one that is picked does not take it, others
 * do, spread by the rest of the hash. 0, or as assign(). Not static, so that it is verified once.
 */
__noinline int assign_shared(struct bpf_sk_lookup *ctx, __u32 number)
{
	const struct sks_group *group = bpf_map_lookup_elem(&groups, &number);
	__u32 hash = hash_of(ctx);
	long err = NO_SOCKET;

	for (int i = 0; group && i < SKS_GROUP_TRIES; i++) {
		__u32 slot = pick(group, hash);

		err = assign(ctx, slot);
		if (!err)
			return 0;
		hash = hash * 0x9e3779b1u + 1;
	}
	return err;
}

/*
 * The first socket is gone or does not take it: the next that does. 0, or as assign(). Not static,
 * so that the verifier walks the loop once rather than for every state that leads here: loading is
 * most of what a namespace's first server waits for.
 */
__noinline int assign_next(struct bpf_sk_lookup *ctx, __u32 slot, __u32 family)
{
	long worst = NO_SOCKET;

	for (int i = 0; i < SKS_CHAIN_MAX; i++) {
		const struct sks_slot *record = bpf_map_lookup_elem(&slots, &slot);
		long err;

		if (!record)
			break;
		slot = record->next[family & 1];
		if (!slot)
			break;
		err = assign(ctx, slot);
		if (!err)
			return 0;
		if (err != NO_SOCKET)
			worst = err;
	}
	return worst;
}

/* 0, or as assign(). */
static __always_inline long assign_any(struct bpf_sk_lookup *ctx, const struct sks_dest *dest,
				       __u32 slot, __u32 family)
{
	__u32 group = dest->group[family];
	long err, next;

	if (group && !assign_shared(ctx, group))
		return 0;
	err = assign(ctx, slot);
	if (!err)
		return 0;
	next = assign_next(ctx, slot, family);
	return next == NO_SOCKET ? err : next;
}

#endif
