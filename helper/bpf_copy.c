// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the way of sockets from one map into another, which only a program can give them. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>

#include "../common/cleanup.h"
#include "bpf_load.h"
#include "copy.skel.h"
#include "loader.h"

/* n <= SKS_COPY_STEP */
static int run(int program, uint32_t from, uint32_t to, uint32_t n)
{
	char packet[ETH_HLEN] = {};
	struct __sk_buff ctx = { .cb = { from, to, n } };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), );

	if (bpf_prog_test_run_opts(program, &opts))
		return -errno;
	return -(int)opts.retval;
}

int sks_bpf_load_copy(const int maps[])
{
	struct copy *skel = copy__open();
	int err;

	if (!skel)
		return -errno;
	err = bpf_map__reuse_fd(skel->maps.from, maps[0])
		      ?: bpf_map__reuse_fd(skel->maps.to, maps[1])
		      ?: copy__load(skel)
		      ?: sks_bpf_keep_program(skel->progs.copy_sockets);
	copy__destroy(skel);
	return err;
}

int sks_bpf_copy_sockets(int from, int to, uint32_t n)
{
	CLEANUP_FD int program = sks_loader_load(SKS_PROGRAM_COPY, (int[]){ from, to }, 2);
	int err = program < 0 ? program : 0;

	for (uint32_t first = 0; !err && first < n; first += SKS_COPY_STEP)
		err = run(program, first, first, SKS_COPY_STEP);
	return err;
}

int sks_bpf_copy_heads(const struct sks_maps *maps, const struct sks_head_copy *copies, size_t n)
{
	const int between[] = { maps->fd[SKS_MAP_SOCKETS], maps->fd[SKS_MAP_HEADS] };
	CLEANUP_FD int program = -1;
	int err = 0;

	if (!n)
		return 0;
	program = sks_loader_load(SKS_PROGRAM_COPY, between, 2);
	if (program < 0)
		return program;
	for (size_t i = 0; !err && i < n; i++)
		err = run(program, copies[i].slot, copies[i].head, 1);
	return err;
}
