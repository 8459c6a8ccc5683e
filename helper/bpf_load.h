/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the files behind helper/bpf.h share. */
#ifndef SKSTEER_BPF_LOAD_H
#define SKSTEER_BPF_LOAD_H

#include "bpf.h"

#define SKS_PIN_PATH 512
/* Pins of what is not running yet: NAME-new. */
#define SKS_PIN_NEW "-new"

struct sks_map_kind {
	const char *name; /* of the pin */
	size_t size;	  /* of a value */
	uint32_t max;	  /* entries */
	bool mapped;	  /* into memory */
};
extern const struct sks_map_kind sks_map_kinds[SKS_MAP_COUNT];

struct dispatch; /* the skeleton */

/* What was loaded. The maps' descriptors are the skeleton's. */
struct sks_loaded {
	struct dispatch *skel; /* NULL: nothing */
	int fd[SKS_MAP_COUNT];
	int program; /* -1: only maps were made */
};

/*
 * Over the maps of reuse, but for those with a number of entries, which are new and empty; both
 * NULL: all are. without a program if not run. 0 or -errno, of which sks_bpf_why() says more.
 */
int sks_bpf_load(const struct sks_maps *reuse, const uint32_t entries[SKS_MAP_COUNT], bool run,
		 struct sks_loaded *ret_loaded);
void sks_bpf_unload(struct sks_loaded *loaded);
/*
 * The work of the loader (loader.h): each program over these maps. A descriptor that the caller
 * owns, or -errno.
 */
int sks_bpf_load_dispatch(const int maps[SKS_MAP_COUNT]);
int sks_bpf_load_census(const int maps[]);
int sks_bpf_load_copy(const int maps[]);
/* Of a skeleton's that is about to go. */
struct bpf_program;
int sks_bpf_keep_program(const struct bpf_program *program);
/* Tells two builds apart, as program tags can't (6.18 computes them otherwise than 6.12). */
uint64_t sks_bpf_hash(void);

/* NAME followed by the suffix; flags as for BPF_OBJ_GET. A descriptor or -errno. */
int sks_bpf_open_pin(const char *dir, const char *name, const char *suffix, uint32_t flags);
int sks_bpf_pin(int fd, const char *dir, const char *name, const char *suffix);
/* NAME-new becomes NAME wherever there is one, the program last. 0 or the first -errno. */
int sks_bpf_adopt_pins(const char *dir);
void sks_bpf_drop_new_pins(const char *dir);
/*
 * Adopts the new pins where their program is the one that packets run already, or drops them:
 * bpf_link_update() decides which maps count. 0, or -errno: it could not, and none is dropped.
 */
int sks_bpf_put_right(const char *dir, int link);

/* The sum of one entry over all CPUs. */
int sks_bpf_sum_counter(int map, uint32_t key, struct sks_counter *ret_sum);
/* Each CPU's own value; *ret_sum as above. */
int sks_bpf_copy_counter(int from, int to, uint32_t key, struct sks_counter *ret_sum);

/* helper/bpf_map.c: a sockmap of n entries, before it goes; map may be -1. */
void sks_bpf_empty_sockets(int map, uint32_t n);

/* helper/bpf_copy.c: the first n entries of one sockmap into another. 0 or -errno. */
int sks_bpf_copy_sockets(int from, int to, uint32_t n);

/* helper/bpf_peek.c: 0, -EUCLEAN: the pins have another layout; or why that can't be told. */
int sks_bpf_check_layout(const char *dir);

/* helper/bpf_census.c: when the sockmap is another one, or none any more. */
void sks_bpf_drop_census(struct sks_maps *maps);

/* helper/bpf_why.c. While it is on, nothing goes to the log. */
void sks_bpf_quiet(bool on);
/* The line of the loader's that tells most. */
void sks_bpf_heard(const char *line);
/* In our own words, where neither libbpf nor the verifier has said anything. Returns err. */
int sks_bpf_explain(int err, const char *what);

#endif
