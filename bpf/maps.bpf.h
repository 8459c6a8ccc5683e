/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the maps of a namespace and what the helper sets when it loads the program: common/maps.h
 * says what lies in them.
 */
#ifndef SKSTEER_MAPS_BPF_H
#define SKSTEER_MAPS_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "../common/maps.h"

struct sks_ports ports; /* .bss: a direct address, no lookup */

/* ctx->ingress_ifindex came with 5.17; where it is false the verifier never looks at that branch. */
const volatile _Bool have_ingress_ifindex = 1;
/* Only the benchmark asks what a lookup costs without its counter. */
const volatile _Bool count_verdicts = 1;
/* An interface up to here is a question's (common/maps.h); the benchmark's packets have 0, and
 * count. */
const volatile __s32 last_question = 0;

/*
 * The sizes are those that a namespace begins with; helper/bpf.c replaces what has become too
 * small. The trie takes memory only for what is in it.
 */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct sks_rule4);
} rules4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct sks_rule6);
} rules6 SEC(".maps");

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
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct sks_dest);
} dests SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64); /* 8 bytes, so that a lookup from user space gives the cookie */
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct sks_slot);
} slots SEC(".maps");

/* Index: destination * 2 + family, here and for the counters. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 2 * 64);
	__type(key, __u32);
	__type(value, __u64);
} heads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * 64);
	__type(key, __u32);
	__type(value, struct sks_counter);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, struct sks_group);
} groups SEC(".maps");

/* The program itself reads neither of these: they are the helper's records. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 11); /* a page */
	__type(key, __u32);
	__type(value, struct sks_service);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 128);
	__type(key, __u32);
	__type(value, struct sks_binding);
} bindings SEC(".maps");

#endif
