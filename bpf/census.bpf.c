// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns the look at which sockets of a sockmap are still open: only a program can ask for many of
 * them at once. Runs by BPF_PROG_TEST_RUN, and is attached to nothing.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "../common/maps.h"

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 1); /* stands for the map that the helper puts here */
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SKS_MAX_SLOTS / SKS_CENSUS_STEP);
	__type(key, __u32);
	__type(value, __u64); /* a bit a slot, the first in the lowest */
} open_slots SEC(".maps");

/*
 * One word, number skb->cb[0], and leaves the next one's number there: the repetitions of one test
 * run share the skb. So the loop is short, which the verifier goes through turn by turn.
 */
SEC("tc")
int census(struct __sk_buff *skb)
{
	__u32 word = skb->cb[0];
	__u64 bits = 0, *open;

	for (__u32 i = 0; i < SKS_CENSUS_STEP; i++) {
		__u32 slot = word * SKS_CENSUS_STEP + i;
		struct bpf_sock *sk = bpf_map_lookup_elem(&sockets, &slot);

		bits >>= 1;
		if (!sk)
			continue;
		bits |= 1ull << (SKS_CENSUS_STEP - 1);
		bpf_sk_release(sk);
	}
	open = bpf_map_lookup_elem(&open_slots, &word);
	if (open)
		*open = bits;
	skb->cb[0] = word + 1;
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
