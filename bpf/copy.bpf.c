// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns the way of sockets from one map into another: only a program can take a socket out of a
 * map. Runs by BPF_PROG_TEST_RUN, a step at a time, and is attached to nothing.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "../common/maps.h"

#define EOPNOTSUPP 95

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 1); /* stands for the map that the helper puts here */
	__type(key, __u32);
	__type(value, __u64);
} from SEC(".maps"), to SEC(".maps");

/*
 * From index skb->cb[0] on to index cb[1] on, cb[2] of them, at most SKS_COPY_STEP. 0 or an errno
 * number. A socket that takes nothing now, as a listener after shutdown(2), does not come along:
 * its next listen(2) registers it anew.
 */
SEC("tc")
int copy_sockets(struct __sk_buff *skb)
{
	__u32 first = skb->cb[0], to_first = skb->cb[1], n = skb->cb[2];

	for (__u32 i = 0; i < SKS_COPY_STEP && i < n; i++) {
		__u32 slot = first + i, to_slot = to_first + i;
		struct bpf_sock *sk = bpf_map_lookup_elem(&from, &slot);
		long err;

		if (!sk)
			continue;
		err = bpf_map_update_elem(&to, &to_slot, sk, BPF_ANY);
		bpf_sk_release(sk);
		if (err && err != -EOPNOTSUPP)
			return (int)-err;
	}
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
