/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what depends on the age of the kernel. */
#ifndef SKSTEER_KERNEL_H
#define SKSTEER_KERNEL_H

#include <stdbool.h>

/* struct bpf_sk_lookup has ingress_ifindex: since 5.17. */
bool sks_kernel_knows_ingress(void);

/* membarrier(2) waits for every program: everywhere but with nohz_full. */
bool sks_kernel_has_barrier(void);

/*
 * Waits until no BPF program runs any more that began before. Without a barrier it takes
 * CAP_NET_RAW.
 */
void sks_kernel_grace(void);

#endif
