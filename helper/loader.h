/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the having of programs verified, by a worker (worker.h) that can do nothing else. It keeps
 * CAP_PERFMON: with it the verifier does not ask what the processor may speculate, which kernels up
 * to 6.12 can only answer by refusing the program. Whoever else has that capability and CAP_BPF can
 * read all of the kernel's memory.
 */
#ifndef SKSTEER_LOADER_H
#define SKSTEER_LOADER_H

#include "worker.h"

enum sks_program {
	SKS_PROGRAM_DISPATCH, /* over the maps of enum sks_map */
	SKS_PROGRAM_CENSUS,   /* sockets, open_slots */
	SKS_PROGRAM_COPY,     /* from, to */
};

extern struct sks_worker sks_loader_worker;

/* A descriptor that the caller owns, or -errno, of which sks_bpf_why() says more. */
int sks_loader_load(enum sks_program program, const int *maps, size_t n);

#endif
