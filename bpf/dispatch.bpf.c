// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns the verdict: which socket gets a new connection or an unconnected datagram of this network
 * namespace. Runs for each of them, steered or not, so a port that nobody steers costs one load.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>

#include "../common/maps.h"

#define AF_INET6  10
#define NO_SOCKET 1 /* assign(): the slot is empty; kernel errors are negative */

struct sks_ports ports; /* .bss: a direct address, no lookup */

/* ctx->ingress_ifindex came with 5.17; where it is false the verifier never looks at that branch. */
const volatile _Bool have_ingress_ifindex = 1;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * SKS_MAX_RULES);
	__type(key, __u32);
	__type(value, struct sks_rule);
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SKS_MAX_PREFIXES);
	__type(key, struct sks_trie_key);
	__type(value, __u32);
} prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SKS_MAX_DESTS);
	__type(key, __u32);
	__type(value, struct sks_dest);
} dests SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, SKS_MAX_SLOTS);
	__type(key, __u32);
	__type(value, __u64); /* 8 bytes, so that a lookup from user space gives the cookie */
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SKS_MAX_SLOTS);
	__type(key, __u32);
	__type(value, struct sks_slot);
} slots SEC(".maps");

/* Index: destination * 2 + family. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * SKS_MAX_DESTS);
	__type(key, __u32);
	__type(value, struct sks_counter);
} counters SEC(".maps");

/* The program itself reads neither of these: they are the helper's records. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SKS_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct sks_service);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SKS_MAX_BINDINGS);
	__type(key, __u32);
	__type(value, struct sks_binding);
} bindings SEC(".maps");

static __always_inline __u32 trie_dest(struct sks_trie_key *key)
{
	__u32 *dest = bpf_map_lookup_elem(&prefixes, key);

	return dest ? *dest : 0;
}

/* Is the packet from where the destination's sockets listen? */
static __always_inline int is_here(struct bpf_sk_lookup *ctx, const struct sks_dest *dest)
{
	return !have_ingress_ifindex || !dest->ifindex || dest->ifindex == ctx->ingress_ifindex;
}

static __always_inline int leads_here(struct bpf_sk_lookup *ctx, const struct sks_rule *rule,
				      __u32 number)
{
	const struct sks_dest *dest;

	if (!rule->devices)
		return 1;
	dest = bpf_map_lookup_elem(&dests, &number);
	return dest && is_here(ctx, dest);
}

/* The destination of the longest prefix that holds the address, or 0. */
static __always_inline __u32 rule_dest4(struct bpf_sk_lookup *ctx, const struct sks_rule *rule,
					__u32 index, __u32 addr)
{
	for (int i = 0; i < SKS_INLINE_PREFIXES; i++) {
		const struct sks_inline4 *p = &rule->v4[i];

		if ((addr & p->mask) == p->addr && leads_here(ctx, rule, p->dest))
			return p->dest;
	}
	if (!rule->trie4)
		return 0;

	struct sks_trie_key key = { .prefixlen = 64, .rule = index * 2 + SKS_V4, .addr = { addr } };

	return trie_dest(&key);
}

static __always_inline __u32 rule_dest6(struct bpf_sk_lookup *ctx, const struct sks_rule *rule,
					__u32 index, const __u32 addr[4])
{
	for (int i = 0; i < SKS_INLINE_PREFIXES; i++) {
		const struct sks_inline6 *p = &rule->v6[i];

		if (!(((addr[0] & p->mask[0]) ^ p->addr[0]) |
		      ((addr[1] & p->mask[1]) ^ p->addr[1]) |
		      ((addr[2] & p->mask[2]) ^ p->addr[2]) |
		      ((addr[3] & p->mask[3]) ^ p->addr[3])) &&
		    leads_here(ctx, rule, p->dest))
			return p->dest;
	}
	if (!rule->trie6)
		return 0;

	struct sks_trie_key key = { .prefixlen = 160,
				    .rule = index * 2 + SKS_V6,
				    .addr = { addr[0], addr[1], addr[2], addr[3] } };

	return trie_dest(&key);
}

static __always_inline __u32 rule_dest(struct bpf_sk_lookup *ctx, __u32 index)
{
	/* Loaded first: clang 14 may otherwise fold the choice of word into the context pointer. */
	__u32 addr[4] = { ctx->local_ip6[0], ctx->local_ip6[1], ctx->local_ip6[2],
			  ctx->local_ip6[3] };
	const struct sks_rule *rule = bpf_map_lookup_elem(&rules, &index);

	if (!rule)
		return 0;
	if (ctx->family == AF_INET6)
		return rule_dest6(ctx, rule, index, addr);
	return rule_dest4(ctx, rule, index, ctx->local_ip4);
}

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

static __always_inline void count_failure(struct sks_counter *counter, long err)
{
	if (!counter)
		return;
	if (err == NO_SOCKET) {
		counter->refused++;
		return;
	}
	counter->errors++;
	counter->last_errno = err;
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

static __always_inline int steer(struct bpf_sk_lookup *ctx, __u32 number)
{
	const struct sks_dest *dest = bpf_map_lookup_elem(&dests, &number);
	__u32 family = ctx->family == AF_INET6 ? SKS_V6 : SKS_V4;
	__u32 key = number * 2 + family;
	struct sks_counter *counter;
	__u32 slot;
	long err, next;

	if (!dest)
		return SK_PASS;
	slot = dest->slot[family];
	if (slot == SKS_SLOT_PASS)
		return SK_PASS; /* the service never opened this family */
	if (!is_here(ctx, dest))
		return SK_PASS; /* the socket is bound to another interface */

	counter = bpf_map_lookup_elem(&counters, &key);
	err = assign(ctx, slot);
	if (err) {
		next = assign_next(ctx, slot, family);
		if (next != NO_SOCKET)
			err = next;
	}
	if (!err) {
		if (counter)
			counter->steered++;
		return SK_PASS;
	}
	count_failure(counter, err);
	/*
	 * A UDP socket that has connected takes nothing more here; on its own port the kernel may
	 * find the server's next one. Else the service is down, and no stranger gets what was meant
	 * for it.
	 */
	if (err != NO_SOCKET && ctx->protocol == IPPROTO_UDP && ctx->local_port == dest->port)
		return SK_PASS;
	return SK_DROP;
}

SEC("sk_lookup")
int sksteer(struct bpf_sk_lookup *ctx)
{
	__u32 proto = ctx->protocol == IPPROTO_UDP ? SKS_UDP : SKS_TCP;
	__u32 value = ports.table[sks_table_index(ports.head.epoch, proto, ctx->local_port)];

	if (!value)
		return SK_PASS; /* nobody steers this port */
	if (value >= SKS_TABLE_RULES)
		value = rule_dest(ctx, proto * SKS_MAX_RULES + value - SKS_TABLE_RULES);
	if (!value)
		return SK_PASS; /* somebody does, on other addresses */
	return steer(ctx, value);
}

char _license[] SEC("license") = "Dual BSD/GPL";
