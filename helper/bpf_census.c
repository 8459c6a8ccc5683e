// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the question which registered sockets are still open, to all of a namespace in one call. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <sys/mman.h>

#include "../common/cleanup.h"
#include "bpf_load.h"
#include "census.skel.h"
#include "loader.h"

#define SIZE (SKS_MAX_SLOTS / SKS_CENSUS_STEP * sizeof(uint64_t))

int sks_bpf_load_census(const int maps[])
{
	struct census *skel = census__open();
	int err;

	if (!skel)
		return -errno;
	err = bpf_map__reuse_fd(skel->maps.sockets, maps[0])
		      ?: bpf_map__reuse_fd(skel->maps.open_slots, maps[1])
		      ?: census__load(skel)
		      ?: sks_bpf_keep_program(skel->progs.census);
	census__destroy(skel);
	return err;
}

/* The program and the map stay, without the objects that libbpf makes of them: those are large. */
static int load(struct sks_maps *maps)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	CLEANUP_FD int words = bpf_map_create(BPF_MAP_TYPE_ARRAY, "open_slots", sizeof(uint32_t),
					      sizeof(uint64_t), SIZE / sizeof(uint64_t), &opts);
	CLEANUP_FD int program = -1;
	void *open;

	if (words < 0)
		return -errno;
	program =
		sks_loader_load(SKS_PROGRAM_CENSUS, (int[]){ maps->fd[SKS_MAP_SOCKETS], words }, 2);
	if (program < 0)
		return program;
	open = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, words, 0);
	if (open == MAP_FAILED)
		return -errno;
	maps->census = (struct sks_census){ SKS_CENSUS_LOADED, sks_take_fd(&program), open };
	return 0;
}

const uint64_t *sks_bpf_census(struct sks_maps *maps, uint32_t n)
{
	char packet[ETH_HLEN] = {};
	struct __sk_buff ctx = {}; /* from word 0 on */
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .repeat = (int)((n + SKS_CENSUS_STEP - 1) / SKS_CENSUS_STEP), );

	if (maps->census.state == SKS_CENSUS_NONE) {
		sks_bpf_forget();
		if (load(maps))
			maps->census.state = SKS_CENSUS_REFUSED; /* it would be each time */
		sks_bpf_forget();
	}
	if (maps->census.state != SKS_CENSUS_LOADED || !n ||
	    bpf_prog_test_run_opts(maps->census.program, &opts))
		return NULL;
	return maps->census.open;
}

void sks_bpf_drop_census(struct sks_maps *maps)
{
	if (maps->census.state == SKS_CENSUS_LOADED) {
		(void)munmap((void *)maps->census.open, SIZE);
		sks_closep(&maps->census.program);
	}
	maps->census = (struct sks_census){};
}
