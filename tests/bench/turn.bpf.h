/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how a program of the bench comes by its next packet. */
#ifndef SKSTEER_BENCH_TURN_H
#define SKSTEER_BENCH_TURN_H

#include "packet.h"

struct bench_packets bench SEC(".data.bench") = {};

static __always_inline const struct bench_packet *bench_packet(void)
{
	return &bench.of[bench.turn % BENCH_PACKETS];
}

static __always_inline void bench_next(void)
{
	bench.turn++;
}

#endif
