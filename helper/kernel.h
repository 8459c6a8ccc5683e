/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what depends on the age of the kernel. */
#ifndef SKSTEER_KERNEL_H
#define SKSTEER_KERNEL_H

#include <stdbool.h>

/* struct bpf_sk_lookup has ingress_ifindex: since 5.17. */
bool sks_kernel_knows_ingress(void);

/*
 * A program for sk_lookup may have global functions, which are verified once: 6.1 takes them, 5.10
 * does not.
 */
bool sks_kernel_takes_global(void);

/*
 * Without CAP_PERFMON the verifier follows what the processor may speculate, and refuses what it
 * meets there: 6.12 does, 6.18 makes the processor wait instead.
 */
bool sks_kernel_speculates(void);

/* membarrier(2) waits for every program: everywhere but with nohz_full. */
bool sks_kernel_has_barrier(void);

/*
 * Waits until no BPF program runs any more that began before. Without a barrier it takes
 * CAP_NET_RAW.
 */
void sks_kernel_grace(void);

#endif
