// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns the dispatcher with another packet in each run, which BPF_PROG_TEST_RUN can't give: it
 * repeats one context, which is read-only to the program, and a system call for each packet costs a
 * hundred times what is to be measured.
 *
 * So this is bpf/dispatch.bpf.c itself, compiled again, over the very maps of the loaded program,
 * but for the local port and the IPv4 address: they come from an array of random packets instead of
 * the context. (Family and protocol do not, since bpf_sk_assign checks the socket's against the
 * context.) The rest of each expression, 0 times another field, is nothing to the compiler.
 * tests/bench/dispatch.c checks that its verdicts are those of the loaded program.
 *
 * Measured: the loads and branches that a random sequence makes cold, in the caches (the array
 * itself streams through them, 8 bytes a packet) and in the branch predictor. peers.bpf.c takes the
 * packet in the same way in a program that does nothing else, which is subtracted. Not measured:
 * how cold the program and its maps are after the kernel's other work between two SYNs; that is for
 * the rows with real connections.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>

#include "turn.bpf.h"

static __always_inline int dispatch(struct bpf_sk_lookup *ctx);

/* The program: takes the next packet, and is then what it was. */
#define sksteer(declaration)                      \
	random_sksteer(struct bpf_sk_lookup *ctx) \
	{                                         \
		bench_next();                     \
		return dispatch(ctx);             \
	}                                         \
	static __always_inline int dispatch(declaration)

#define local_port remote_port * 0 + bench_packet()->port
#define local_ip4  remote_ip4 * 0 + bench_packet()->addr

#include "../../bpf/dispatch.bpf.c"

/*
 * What any dispatcher with these tables has to do: loads the port's entry and its rule's line, and
 * steers; but no address is compared, so no branch depends on the packet.
 */
SEC("sk_lookup")
int random_lines(struct bpf_sk_lookup *ctx)
{
	const struct sks_rule4 *rule;
	__u32 index;

	bench_next();
	index = ports.table[sks_table_index(current_epoch(), SKS_TCP, ctx->local_port)];
	index = (index - SKS_TABLE_RULES) * 2;
	rule = bpf_map_lookup_elem(&rules4, &index);
	return rule ? steer(ctx, rule->dest[0]) : SK_DROP;
}
