// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns the verdict: which socket gets a new connection or an unconnected datagram of this network
 * namespace. Runs for each of them, steered or not, so a port that nobody steers costs one load.
 */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>

#include "maps.bpf.h"
#include "rules.bpf.h"
#include "sockets.bpf.h"

#define LOOPBACK_IFINDEX 1 /* in every network namespace */
#define BARRIER		 asm volatile("")

static __always_inline void count_failure(struct sks_counter *counter, long err)
{
	if (!counter)
		return;
	if (err == NO_SOCKET) {
		counter->refused++;
		return;
	}
	if (err == -ESOCKTNOSUPPORT)
		counter->errors[SKS_FAILED_IDLE]++;
	else if (err == -EEXIST)
		counter->errors[SKS_FAILED_CHOSEN]++;
	else
		counter->errors[SKS_FAILED_OTHER]++;
	counter->last_errno = err;
}

/* NULL also for a question: what nobody has sent does not count. */
static __always_inline struct sks_counter *find_counter(struct bpf_sk_lookup *ctx, __u32 *key)
{
	if (!count_verdicts)
		return NULL;
	if (have_ingress_ifindex && (__s32)ctx->ingress_ifindex <= last_question)
		return NULL;
	return bpf_map_lookup_elem(&counters, key);
}

/*
 * A server asked for another port than this one, and is reached there; here only by whoever looks
 * from this machine whether it is ready. Before 5.17 nobody can be told apart.
 */
static __always_inline int guard(struct bpf_sk_lookup *ctx)
{
	return have_ingress_ifindex && interface_of(ctx) != LOOPBACK_IFINDEX ? SK_DROP : SK_PASS;
}

/* Whatever is not the first socket's. Not static, so that it costs the fast path no register. */
__noinline int steer_slowly(struct bpf_sk_lookup *ctx, __u32 number)
{
	const struct sks_dest *dest = bpf_map_lookup_elem(&dests, &number);
	__u32 family = family_of(ctx), key = number * 2 + family, slot;
	struct sks_counter *counter;
	long err;

	if (number == SKS_DEST_GUARD)
		return guard(ctx);
	if (!dest)
		return SK_PASS;
	slot = dest->slot[family];
	if (slot == SKS_SLOT_PASS)
		return SK_PASS; /* the service never opened this family */
	if (!is_here(ctx, dest))
		return SK_PASS; /* the socket is bound to another interface */

	counter = find_counter(ctx, &key);
	err = assign_any(ctx, dest, slot, family);
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

/* The helper may be writing the table anew that was read. */
__noinline int steer_again(struct bpf_sk_lookup *ctx)
{
	__u32 number = find_dest(ctx);

	return number ? steer_slowly(ctx, number) : SK_PASS;
}

/*
 * Nothing is kept in a register over a call that is on the stack already, nor an error that only
 * the slow path would want: each register that has to be saved costs every packet.
 */
static __always_inline int steer(struct bpf_sk_lookup *ctx, __u32 number)
{
	__u32 key = number * 2 + (ctx->family >> 3);
	struct bpf_sock *sk = bpf_map_lookup_elem(&heads, &key);
	struct sks_counter *counter;

	if (sk) {
		/* Not BPF_SK_LOOKUP_F_NO_REUSEPORT: the kernel spreads over a SO_REUSEPORT group. */
		if (!bpf_sk_assign(ctx, sk, 0)) {
			BARRIER; /* or clang makes one release of two, and keeps the error */
			bpf_sk_release(sk);
			counter = find_counter(ctx, &key);
			if (counter)
				counter->steered++;
			return SK_PASS;
		}
		bpf_sk_release(sk);
	}
	return steer_slowly(ctx, *(volatile __u32 *)&key / 2) == SK_DROP ? SK_DROP : SK_PASS;
}

/* The destination for a packet to a port that has a rule, or 0. */
static __always_inline __u32 rule_dest(struct bpf_sk_lookup *ctx, __u32 index)
{
	const struct sks_rule4 *rule4;
	const struct sks_rule6 *rule6;

	if (ctx->family == AF_INET6) {
		rule6 = bpf_map_lookup_elem(&rules6, &index);
		if (rule6 && !rule6->flags)
			return rule_hop6(ctx, rule6, 0, 0);
	} else {
		rule4 = bpf_map_lookup_elem(&rules4, &index);
		if (rule4 && !rule4->flags)
			return rule_hop4(ctx, rule4, 0, 0);
	}
	return find_dest(ctx);
}

SEC("sk_lookup")
int sksteer(struct bpf_sk_lookup *ctx)
{
	struct sks_ports *table = &ports;
	__u32 epoch, value;

	APART(table); /* one address in one register, not one for each use */
	epoch = *(volatile __u32 *)&table->head.epoch;
	value = table->table[sks_table_index(epoch, ctx->protocol >> 4, ctx->local_port)];
	if (epoch != *(volatile __u32 *)&table->head.epoch)
		return steer_again(ctx) == SK_DROP ? SK_DROP : SK_PASS;
	if (value >= SKS_TABLE_RULES)
		value = rule_dest(ctx, (value - SKS_TABLE_RULES) * 2 + (ctx->protocol >> 4));
	if (value)
		return steer(ctx, value);
	return SK_PASS; /* nobody steers this port, or not on this address */
}

char _license[] SEC("license") = "Dual BSD/GPL";
