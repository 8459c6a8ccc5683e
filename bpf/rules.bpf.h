/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns where a packet is to go: the port table, the rules and the trie, to a destination. */
#ifndef SKSTEER_RULES_BPF_H
#define SKSTEER_RULES_BPF_H

#include <bpf/bpf_endian.h>

#include "maps.bpf.h"

#define AF_INET6 10

#define SKS_TABLE_TRIES 4 /* a change would have to come between each of them */

/*
 * Without CAP_PERFMON no index into a map's value may vary from turn to turn of a loop, nor may
 * clang make one load of several turns' with the index as a variable.
 */
#define UNROLL	 _Pragma("clang loop unroll(full)")
#define APART(x) asm volatile("" : "+r"(x))

/* Where the packet has arrived, or would have, of which somebody asks. */
static __always_inline __u32 interface_of(struct bpf_sk_lookup *ctx)
{
	__s32 ifindex = ctx->ingress_ifindex;

	return ifindex < 0 ? -ifindex : ifindex;
}

/* Is the packet from where the destination's sockets listen? */
static __always_inline int is_here(struct bpf_sk_lookup *ctx, const struct sks_dest *dest)
{
	return !have_ingress_ifindex || !dest->ifindex || dest->ifindex == interface_of(ctx);
}

static __always_inline int leads_here(struct bpf_sk_lookup *ctx, __u32 flags, __u32 number)
{
	const struct sks_dest *dest;

	if (!(flags & SKS_RULE_DEVICES) || number == SKS_DEST_GUARD)
		return 1;
	dest = bpf_map_lookup_elem(&dests, &number);
	return dest && is_here(ctx, dest);
}

/*
 * Indices by arithmetic, not by a branch: without CAP_PERFMON the verifier wants the same reach of
 * an index on all paths, and of one that it knows it takes the value for the reach.
 */
static __always_inline __u32 family_of(struct bpf_sk_lookup *ctx)
{
	return ctx->family >> 3 & 1; /* AF_INET is 2, AF_INET6 is 10 */
}

static __always_inline __u32 proto_of(struct bpf_sk_lookup *ctx)
{
	return ctx->protocol >> 4 & 1; /* IPPROTO_TCP is 6, IPPROTO_UDP is 17 */
}

static __always_inline __u32 trie_hop(struct sks_trie_key *key)
{
	__u32 *hop = bpf_map_lookup_elem(&prefixes, key);

	return hop ? *hop : 0;
}

/*
 * The hop of the longest prefix that holds the address, or 0. flags: the rule's; where they are
 * known to be 0, little of this is left, and the hop has no length.
 */
static __always_inline __u32 rule_hop4(struct bpf_sk_lookup *ctx, const struct sks_rule4 *rule,
				       __u32 index, __u32 flags)
{
	__u32 wire = ctx->local_ip4;
	__u64 addr = bpf_ntohl(wire);

	UNROLL
	for (int i = 0; i < SKS_INLINE_PREFIXES; i++) {
		__u32 hop;

		if (addr >> rule->rest[i] != rule->addr[i])
			continue;
		hop = flags ? sks_hop(rule->dest[i], 32 - rule->rest[i]) : rule->dest[i];
		APART(hop);
		if (leads_here(ctx, flags, sks_hop_dest(hop)))
			return hop;
	}
	if (!(flags & SKS_RULE_TRIE))
		return 0;

	struct sks_trie_key key = { .prefixlen = 64, .rule = index * 2 + SKS_V4, .addr = { wire } };

	return trie_hop(&key);
}

/* Two words in the order in which they lie in memory. */
static __always_inline __u64 join(__u32 first, __u32 second)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return (__u64)first << 32 | second;
#else
	return (__u64)second << 32 | first;
#endif
}

/* Not kept: mostly the first half tells. */
static __always_inline __u64 low_half(struct bpf_sk_lookup *ctx)
{
	return join(ctx->local_ip6[2], ctx->local_ip6[3]);
}

static __always_inline __u32 rule_hop6(struct bpf_sk_lookup *ctx, const struct sks_rule6 *rule,
				       __u32 index, __u32 flags)
{
	__u64 high = join(ctx->local_ip6[0], ctx->local_ip6[1]);

	UNROLL
	for (int i = 0; i < SKS_INLINE_PREFIXES; i++) {
		__u32 hop;

		if ((high & rule->high[i].mask) != rule->high[i].addr ||
		    (low_half(ctx) & rule->low[i].mask) != rule->low[i].addr)
			continue;
		hop = flags ? sks_hop(rule->dest[i], rule->len[i]) : rule->dest[i];
		APART(hop);
		if (leads_here(ctx, flags, sks_hop_dest(hop)))
			return hop;
	}
	if (!(flags & SKS_RULE_TRIE))
		return 0;

	struct sks_trie_key key = { .prefixlen = 160,
				    .rule = index * 2 + SKS_V6,
				    .addr = { ctx->local_ip6[0], ctx->local_ip6[1],
					      ctx->local_ip6[2], ctx->local_ip6[3] } };

	return trie_hop(&key);
}

static __always_inline __u32 current_epoch(void)
{
	return *(volatile __u32 *)&ports.head.epoch;
}

static __always_inline __u32 port_value(struct bpf_sk_lookup *ctx, __u32 epoch)
{
	return ports.table[sks_table_index(epoch, proto_of(ctx), ctx->local_port)];
}

/* What a rule asks for, the same for both families. */
static __always_inline __u32 flags_of(__u32 index)
{
	const struct sks_rule4 *rule = bpf_map_lookup_elem(&rules4, &index);

	return rule ? rule->flags : 0;
}

/* Of the rule with that index. Not static, so that it is verified once. */
__noinline __u32 hop_of(struct bpf_sk_lookup *ctx, __u32 index)
{
	const struct sks_rule4 *rule4;
	const struct sks_rule6 *rule6;

	if (ctx->family == AF_INET6) {
		rule6 = bpf_map_lookup_elem(&rules6, &index);
		return rule6 ? rule_hop6(ctx, rule6, index, rule6->flags | SKS_RULE_CLOSELY) : 0;
	}
	rule4 = bpf_map_lookup_elem(&rules4, &index);
	return rule4 ? rule_hop4(ctx, rule4, index, rule4->flags | SKS_RULE_CLOSELY) : 0;
}

/*
 * The packet's destination, or 0, whatever its rule asks for. Not static, so that it costs the fast
 * path no register.
 */
__noinline __u32 find_dest(struct bpf_sk_lookup *ctx)
{
	__u32 proto = proto_of(ctx), epoch, value = 0, star = 0, hop, other, index;

	for (int i = 0; i < SKS_TABLE_TRIES; i++) {
		epoch = current_epoch();
		value = port_value(ctx, epoch);
		index = sks_star_index(epoch, proto);
		APART(index); /* Linux 6.1 forgets how large the result of an OR can be */
		star = ports.head.star[index & 3];
		if (epoch == current_epoch())
			break;
	}
	if (value < SKS_TABLE_RULES)
		return value;
	value = (value - SKS_TABLE_RULES) * 2 + proto;
	hop = hop_of(ctx, value);
	if (star && flags_of(value) & SKS_RULE_STAR) {
		other = hop_of(ctx, star - 1);
		if (!sks_hop_dest(hop) || sks_hop_len(other) > sks_hop_len(hop))
			hop = other;
	}
	return sks_hop_dest(hop);
}

#endif
