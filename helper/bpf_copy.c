// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the way of sockets from one map into another, which only a program can give them. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>

#include "bpf_load.h"
#include "copy.skel.h"

/* n <= SKS_COPY_STEP */
static int run(const struct copy *skel, uint32_t from, uint32_t to, uint32_t n)
{
	char packet[ETH_HLEN] = {};
	struct __sk_buff ctx = { .cb = { from, to, n } };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), );

	if (bpf_prog_test_run_opts(bpf_program__fd(skel->progs.copy_sockets), &opts))
		return -errno;
	return -(int)opts.retval;
}

static int load(int from, int to, struct copy **ret_skel)
{
	struct copy *skel = copy__open();
	int err;

	if (!skel)
		return -errno;
	err = bpf_map__reuse_fd(skel->maps.from, from) ?: bpf_map__reuse_fd(skel->maps.to, to);
	if (!err)
		err = copy__load(skel);
	if (err)
		copy__destroy(skel);
	else
		*ret_skel = skel;
	return err;
}

int sks_bpf_copy_sockets(int from, int to, uint32_t n)
{
	struct copy *skel;
	int err = load(from, to, &skel);

	if (err)
		return err;
	for (uint32_t first = 0; !err && first < n; first += SKS_COPY_STEP)
		err = run(skel, first, first, SKS_COPY_STEP);
	copy__destroy(skel);
	return err;
}

int sks_bpf_copy_heads(const struct sks_maps *maps, const struct sks_head_copy *copies, size_t n)
{
	struct copy *skel;
	int err;

	if (!n)
		return 0;
	err = load(maps->fd[SKS_MAP_SOCKETS], maps->fd[SKS_MAP_HEADS], &skel);
	if (err)
		return err;
	for (size_t i = 0; !err && i < n; i++)
		err = run(skel, copies[i].slot, copies[i].head, 1);
	copy__destroy(skel);
	return err;
}
