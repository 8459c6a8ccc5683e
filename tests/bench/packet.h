/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the packets that random.bpf.c and peers.bpf.c read: an array that goes round, in a section,
 * and so a map, of its own (the dispatcher's .bss is a map of the product, whose size is its own).
 */
#ifndef SKSTEER_BENCH_PACKET_H
#define SKSTEER_BENCH_PACKET_H

#include <linux/types.h>

/* A power of two; so many that no branch predictor learns them by heart. */
#define BENCH_PACKETS (1u << 17)

struct bench_packet {
	__u32 addr; /* as on the wire */
	__u32 port; /* host byte order, as in struct bpf_sk_lookup */
};

struct bench_packets {
	__u32 turn; /* the packet of now, modulo BENCH_PACKETS */
	__u32 reserved;
	struct bench_packet of[BENCH_PACKETS];
};

#endif
