// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the look at pins that another version may have made. */
#include <bpf/bpf.h>
#include <errno.h>
#include <sys/mman.h>

#include "../common/cleanup.h"
#include "bpf_load.h"

/* Of an open map of any shape: 0 where it does not begin with a head of ours. */
static int layout_of(int ports, uint32_t *ret_layout)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	struct sks_head *head;

	*ret_layout = 0;
	if (bpf_obj_get_info_by_fd(ports, &info, &len))
		return -errno;
	if (info.value_size < sizeof(*head))
		return 0;
	head = mmap(NULL, sizeof(*head), PROT_READ, MAP_SHARED, ports, 0);
	if (head == MAP_FAILED) /* other errors: it is none that could be mapped */
		return errno == ENOMEM ? sks_bpf_explain(-ENOMEM, "mapping it into memory") : 0;
	if (head->magic == SKS_MAGIC)
		*ret_layout = head->layout;
	(void)munmap(head, sizeof(*head));
	return 0;
}

/* 0: no pin of which we know. */
static int read_layout(const char *dir, uint32_t *ret_layout)
{
	CLEANUP_FD int ports = sks_bpf_open_pin(dir, sks_map_kinds[SKS_MAP_PORTS].name, "", 0);

	if (ports >= 0)
		return layout_of(ports, ret_layout);
	*ret_layout = 0;
	return ports == -ENOENT ? 0 : ports;
}

int sks_bpf_check_layout(const char *dir)
{
	uint32_t layout;
	int err = read_layout(dir, &layout);

	if (err)
		return err;
	return layout == SKS_LAYOUT ? 0 : -EUCLEAN;
}

static int link_netns(int link, uint64_t *ret_ino)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(link, &info, &len))
		return -errno;
	*ret_ino = info.netns.netns_ino;
	return 0;
}

int sks_bpf_netns(const struct sks_maps *maps, uint64_t *ret_ino)
{
	return link_netns(maps->link, ret_ino);
}

int sks_bpf_peek(const char *dir, uint32_t *ret_layout, uint64_t *ret_ino)
{
	CLEANUP_FD int link = sks_bpf_open_pin(dir, "link", "", 0);
	uint32_t layout;
	int err = link < 0 ? link : read_layout(dir, &layout);

	if (!err)
		err = link_netns(link, ret_ino);
	if (!err)
		*ret_layout = layout;
	return err;
}
