// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the elements of maps that are not mapped into memory: sockets, prefixes, counters. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "bpf_load.h"
#include "counter.h"

int sks_bpf_put_socket(const struct sks_maps *maps, uint32_t slot, int sock)
{
	uint64_t value = (uint64_t)sock;

	sks_bpf_forget();
	return bpf_map_update_elem(maps->fd[SKS_MAP_SOCKETS], &slot, &value, BPF_ANY) ? -errno : 0;
}

int sks_bpf_del_socket(const struct sks_maps *maps, uint32_t slot)
{
	return bpf_map_delete_elem(maps->fd[SKS_MAP_SOCKETS], &slot) ? -errno : 0;
}

/*
 * A map that goes with sockets in it has the kernel wait for the lock of each, in a thread that all
 * of the machine share; and a lock may be kept for ever (see stranger.h).
 */
void sks_bpf_empty_sockets(int map, uint32_t n)
{
	for (uint32_t i = 0; map >= 0 && i < n; i++)
		(void)bpf_map_delete_elem(map, &i);
}

void sks_bpf_empty(const struct sks_maps *maps)
{
	sks_bpf_empty_sockets(maps->fd[SKS_MAP_HEADS], maps->entries[SKS_MAP_HEADS]);
	sks_bpf_empty_sockets(maps->fd[SKS_MAP_SOCKETS], maps->entries[SKS_MAP_SOCKETS]);
}

int sks_bpf_put_head(const struct sks_maps *maps, uint32_t head, int sock)
{
	uint64_t value = (uint64_t)sock;

	return bpf_map_update_elem(maps->fd[SKS_MAP_HEADS], &head, &value, BPF_ANY) ? -errno : 0;
}

void sks_bpf_del_head(const struct sks_maps *maps, uint32_t head)
{
	(void)bpf_map_delete_elem(maps->fd[SKS_MAP_HEADS], &head);
}

int sks_bpf_cookie(const struct sks_maps *maps, uint32_t slot, uint64_t *ret_cookie)
{
	return bpf_map_lookup_elem(maps->fd[SKS_MAP_SOCKETS], &slot, ret_cookie) ? -errno : 0;
}

static struct sks_trie_key trie_key(uint32_t rule, const struct sks_prefix *prefix)
{
	struct sks_trie_key key = { .prefixlen = 32u + prefix->len, .rule = rule };

	memcpy(key.addr, prefix->addr, sizeof(key.addr));
	return key;
}

int sks_bpf_put_prefix(const struct sks_maps *maps, uint32_t rule, const struct sks_prefix *prefix,
		       uint32_t dest)
{
	struct sks_trie_key key = trie_key(rule, prefix);
	uint32_t hop = sks_hop(dest, prefix->len);

	return bpf_map_update_elem(maps->fd[SKS_MAP_PREFIXES], &key, &hop, BPF_ANY) ? -errno : 0;
}

int sks_bpf_del_prefix(const struct sks_maps *maps, uint32_t rule, const struct sks_prefix *prefix)
{
	struct sks_trie_key key = trie_key(rule, prefix);

	return bpf_map_delete_elem(maps->fd[SKS_MAP_PREFIXES], &key) ? -errno : 0;
}

static struct sks_prefix key_prefix(const struct sks_trie_key *key)
{
	struct sks_prefix prefix = {
		.family = (key->rule & 1) == SKS_V6 ? AF_INET6 : AF_INET,
		.len = (uint8_t)(key->prefixlen - 32),
	};

	memcpy(prefix.addr, key->addr, sizeof(prefix.addr));
	return prefix;
}

int sks_bpf_filter_prefixes(const struct sks_maps *maps,
			    bool (*keep)(void *arg, uint32_t rule, const struct sks_prefix *prefix,
					 uint32_t dest),
			    void *arg)
{
	int fd = maps->fd[SKS_MAP_PREFIXES];
	struct sks_trie_key key, next;
	bool more = !bpf_map_get_next_key(fd, NULL, &next);
	struct sks_prefix prefix;
	uint32_t hop;

	while (more) {
		key = next;
		more = !bpf_map_get_next_key(fd, &key, &next);
		if (bpf_map_lookup_elem(fd, &key, &hop))
			return -errno;
		prefix = key_prefix(&key);
		if (!keep(arg, key.rule, &prefix, sks_hop_dest(hop)) &&
		    bpf_map_delete_elem(fd, &key))
			return -errno;
	}
	return 0;
}

/* Room for one value of every CPU, zeroed; *ret_cpus how many. NULL with errno set. */
static struct sks_counter *per_cpu(int *ret_cpus)
{
	*ret_cpus = libbpf_num_possible_cpus();
	return *ret_cpus < 0 ? NULL : calloc((size_t)*ret_cpus, sizeof(struct sks_counter));
}

static struct sks_counter sum_of(const struct sks_counter *each, int cpus)
{
	struct sks_counter sum = {};

	for (int i = 0; i < cpus; i++)
		sks_counter_add(&sum, &each[i]);
	return sum;
}

static bool is_zero(const struct sks_counter *sum)
{
	static const struct sks_counter zero;

	return !memcmp(sum, &zero, sizeof(zero));
}

int sks_bpf_copy_counter(int from, int to, uint32_t key, struct sks_counter *ret_sum)
{
	int cpus, err = 0;
	struct sks_counter *each = per_cpu(&cpus), sum;

	if (!each || bpf_map_lookup_elem(from, &key, each)) {
		err = -errno;
		goto out;
	}
	sum = sum_of(each, cpus);
	if (to >= 0 && !is_zero(&sum) && bpf_map_update_elem(to, &key, each, BPF_ANY)) {
		err = -errno;
		goto out;
	}
	*ret_sum = sum;
out:
	free(each);
	return err;
}

int sks_bpf_sum_counter(int map, uint32_t key, struct sks_counter *ret_sum)
{
	return sks_bpf_copy_counter(map, -1, key, ret_sum);
}

int sks_bpf_counter(const struct sks_maps *maps, uint32_t dest, uint32_t family,
		    struct sks_counter *ret_sum)
{
	return sks_bpf_sum_counter(maps->fd[SKS_MAP_COUNTERS], dest * 2 + family, ret_sum);
}

int sks_bpf_clear_counters(const struct sks_maps *maps, uint32_t dest)
{
	int cpus, err = 0;
	struct sks_counter *zero = per_cpu(&cpus);

	if (!zero)
		return -errno;
	for (uint32_t key = dest * 2; !err && key <= dest * 2 + 1; key++) {
		if (bpf_map_update_elem(maps->fd[SKS_MAP_COUNTERS], &key, zero, BPF_ANY))
			err = -errno;
	}
	free(zero);
	return err;
}
