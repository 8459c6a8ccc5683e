// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns every use of libbpf and bpf(2): a namespace's program, link and maps, and their pins. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../common/cleanup.h"
#include "bpf.h"
#include "dispatch.skel.h"
#include "hash.h"
#include "kernel.h"

#define PIN_PATH 512

/* In the order of enum sks_map: the pin's name, and the size mapped into memory or 0. */
static const struct {
	const char *name;
	size_t mapped;
} map_table[SKS_MAP_COUNT] = {
	{ "ports", sizeof(struct sks_ports) },
	{ "rules", sizeof(struct sks_rule) * 2 * SKS_MAX_RULES },
	{ "prefixes", 0 },
	{ "dests", sizeof(struct sks_dest) * SKS_MAX_DESTS },
	{ "sockets", 0 },
	{ "slots", sizeof(struct sks_slot) * SKS_MAX_SLOTS },
	{ "counters", 0 },
	{ "services", sizeof(struct sks_service) * SKS_MAX_SERVICES },
	{ "bindings", sizeof(struct sks_binding) * SKS_MAX_BINDINGS },
};

static sks_bpf_log *logger;

static int print(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[1024];

	if (!logger || level == LIBBPF_DEBUG)
		return 0;
	(void)vsnprintf(line, sizeof(line), format, args);
	logger(line);
	return 0;
}

void sks_bpf_set_log(sks_bpf_log *log)
{
	logger = log;
	libbpf_set_print(print);
}

static int pin_path(char path[PIN_PATH], const char *dir, const char *name)
{
	int len = snprintf(path, PIN_PATH, "%s/%s", dir, name);

	return len < 0 || len >= PIN_PATH ? -ENAMETOOLONG : 0;
}

/* The skeleton's maps in the order of enum sks_map. */
static void map_list(const struct dispatch *skel, struct bpf_map *ret[SKS_MAP_COUNT])
{
	ret[SKS_MAP_PORTS] = skel->maps.bss;
	ret[SKS_MAP_RULES] = skel->maps.rules;
	ret[SKS_MAP_PREFIXES] = skel->maps.prefixes;
	ret[SKS_MAP_DESTS] = skel->maps.dests;
	ret[SKS_MAP_SOCKETS] = skel->maps.sockets;
	ret[SKS_MAP_SLOTS] = skel->maps.slots;
	ret[SKS_MAP_COUNTERS] = skel->maps.counters;
	ret[SKS_MAP_SERVICES] = skel->maps.services;
	ret[SKS_MAP_BINDINGS] = skel->maps.bindings;
}

/* Tells two builds apart, as program tags can't (6.18 computes them otherwise than 6.12). */
static uint64_t program_hash(void)
{
	size_t size = 0;
	const void *bytes = dispatch__elf_bytes(&size);

	return sks_hash(bytes, size);
}

/* Over the maps of reuse, or new ones where it is NULL. *ret_skel is destroyed by the caller. */
static int load(const struct sks_maps *reuse, struct dispatch **ret_skel)
{
	struct dispatch *skel = dispatch__open();
	struct bpf_map *maps[SKS_MAP_COUNT];
	int err = 0;

	if (!skel)
		return -errno;
	skel->rodata->have_ingress_ifindex = sks_kernel_knows_ingress();
	map_list(skel, maps);
	for (int i = 0; reuse && !err && i < SKS_MAP_COUNT; i++)
		err = bpf_map__reuse_fd(maps[i], reuse->fd[i]);
	if (!err)
		err = dispatch__load(skel);
	if (err)
		dispatch__destroy(skel);
	else
		*ret_skel = skel;
	return err;
}

void sks_bpf_remove(const char *dir)
{
	DIR *list = opendir(dir);
	struct dirent *entry;

	while (list && (entry = readdir(list)))
		(void)unlinkat(dirfd(list), entry->d_name, 0);
	if (list)
		(void)closedir(list);
	(void)rmdir(dir);
}

static int pin(int fd, const char *dir, const char *name)
{
	char path[PIN_PATH];
	int err = pin_path(path, dir, name);

	if (err)
		return err;
	if (bpf_obj_pin(fd, path))
		return -errno;
	/* Inserting into an open map needs no capability on 6.1: only the group reads, root writes.
	 */
	return chmod(path, 0640) ? -errno : 0;
}

static int pin_maps(const struct dispatch *skel, const char *dir)
{
	struct bpf_map *maps[SKS_MAP_COUNT];
	int err = 0;

	map_list(skel, maps);
	for (int i = 0; !err && i < SKS_MAP_COUNT; i++)
		err = pin(bpf_map__fd(maps[i]), dir, map_table[i].name);
	return err;
}

int sks_bpf_create(const char *dir, int netns, struct sks_maps *ret_maps)
{
	CLEANUP_FD int link = -1;
	struct dispatch *skel = NULL;
	struct sks_ports *ports;
	int err;

	if (mkdir(dir, 0750))
		return -errno;
	err = load(NULL, &skel);
	if (err)
		goto out;
	ports = (struct sks_ports *)skel->bss;
	ports->head = (struct sks_head){ SKS_MAGIC, SKS_LAYOUT, .program = program_hash() };
	err = pin_maps(skel, dir);
	if (!err)
		err = pin(bpf_program__fd(skel->progs.sksteer), dir, "program");
	if (err)
		goto out;
	link = bpf_link_create(bpf_program__fd(skel->progs.sksteer), netns, BPF_SK_LOOKUP, NULL);
	err = link < 0 ? -errno : pin(link, dir, "link");
	if (!err)
		err = sks_bpf_open(dir, true, ret_maps);
out:
	dispatch__destroy(skel);
	if (err)
		sks_bpf_remove(dir);
	return err;
}

/*
 * The kernel maps an array into memory only shared, and shared only where the file is open for
 * writing. So even reading needs root; the memory itself is then read-only.
 */
static int open_map(const char *dir, int i, bool writable)
{
	LIBBPF_OPTS(bpf_obj_get_opts, opts,
		    .file_flags = writable || map_table[i].mapped ? 0 : BPF_F_RDONLY);
	char path[PIN_PATH];
	int fd, err = pin_path(path, dir, map_table[i].name);

	if (err)
		return err;
	fd = bpf_obj_get_opts(path, &opts);
	return fd < 0 ? -errno : fd;
}

static int open_link(const char *dir)
{
	char path[PIN_PATH];
	int fd, err = pin_path(path, dir, "link");

	if (err)
		return err;
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

/* A map of another capacity would be read beyond its end. */
static int check_size(int fd, size_t mapped)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	return mapped && (size_t)info.value_size * info.max_entries != mapped ? -EUCLEAN : 0;
}

int sks_bpf_open(const char *dir, bool writable, struct sks_maps *ret_maps)
{
	int prot = PROT_READ | (writable ? PROT_WRITE : 0);
	struct sks_maps maps = { .link = open_link(dir) };
	int err = maps.link < 0 ? maps.link : 0;

	for (int i = 0; i < SKS_MAP_COUNT; i++)
		maps.fd[i] = -1;
	for (int i = 0; !err && i < SKS_MAP_COUNT; i++) {
		maps.fd[i] = open_map(dir, i, writable);
		err = maps.fd[i] < 0 ? maps.fd[i] : check_size(maps.fd[i], map_table[i].mapped);
		if (err || !map_table[i].mapped)
			continue;
		maps.memory[i] = mmap(NULL, map_table[i].mapped, prot, MAP_SHARED, maps.fd[i], 0);
		if (maps.memory[i] == MAP_FAILED) {
			maps.memory[i] = NULL;
			err = -errno;
		}
	}
	if (!err && (maps.ports->head.magic != SKS_MAGIC || maps.ports->head.layout != SKS_LAYOUT))
		err = -EUCLEAN;
	if (err)
		sks_bpf_close(&maps);
	else
		*ret_maps = maps;
	return err;
}

void sks_bpf_close(struct sks_maps *maps)
{
	for (int i = 0; i < SKS_MAP_COUNT; i++) {
		if (maps->memory[i])
			(void)munmap(maps->memory[i], map_table[i].mapped);
		sks_closep(&maps->fd[i]);
		maps->fd[i] = -1;
	}
	sks_closep(&maps->link);
	maps->link = -1;
}

int sks_bpf_netns(const struct sks_maps *maps, uint64_t *ret_ino)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(maps->link, &info, &len))
		return -errno;
	*ret_ino = info.netns.netns_ino;
	return 0;
}

int sks_bpf_refresh(const char *dir, struct sks_maps *maps)
{
	char new_path[PIN_PATH], path[PIN_PATH];
	struct dispatch *skel = NULL;
	uint64_t hash = program_hash();
	int program, err;

	if (maps->ports->head.program == hash)
		return 0;
	err = pin_path(new_path, dir, "program-new") ?: pin_path(path, dir, "program");
	if (!err)
		err = load(maps, &skel);
	if (err)
		return err;
	program = bpf_program__fd(skel->progs.sksteer);
	(void)unlink(new_path); /* of a helper that died here */
	err = pin(program, dir, "program-new");
	if (!err && bpf_link_update(maps->link, program, NULL))
		err = -errno;
	if (!err && rename(new_path, path))
		err = -errno;
	if (!err)
		maps->ports->head.program = hash;
	dispatch__destroy(skel);
	return err;
}

int sks_bpf_put_socket(const struct sks_maps *maps, uint32_t slot, int sock)
{
	uint64_t value = (uint64_t)sock;

	return bpf_map_update_elem(maps->fd[SKS_MAP_SOCKETS], &slot, &value, BPF_ANY) ? -errno : 0;
}

int sks_bpf_del_socket(const struct sks_maps *maps, uint32_t slot)
{
	return bpf_map_delete_elem(maps->fd[SKS_MAP_SOCKETS], &slot) ? -errno : 0;
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

	return bpf_map_update_elem(maps->fd[SKS_MAP_PREFIXES], &key, &dest, BPF_ANY) ? -errno : 0;
}

int sks_bpf_del_prefix(const struct sks_maps *maps, uint32_t rule, const struct sks_prefix *prefix)
{
	struct sks_trie_key key = trie_key(rule, prefix);

	return bpf_map_delete_elem(maps->fd[SKS_MAP_PREFIXES], &key) ? -errno : 0;
}

int sks_bpf_prune_prefixes(const struct sks_maps *maps, bool (*keep)(void *arg, uint32_t rule),
			   void *arg)
{
	int fd = maps->fd[SKS_MAP_PREFIXES];
	struct sks_trie_key key, next;
	bool more = !bpf_map_get_next_key(fd, NULL, &next);

	while (more) {
		key = next;
		more = !bpf_map_get_next_key(fd, &key, &next);
		if (!keep(arg, key.rule) && bpf_map_delete_elem(fd, &key))
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

int sks_bpf_counter(const struct sks_maps *maps, uint32_t dest, uint32_t family,
		    struct sks_counter *ret_sum)
{
	int cpus, err = 0;
	struct sks_counter *each = per_cpu(&cpus), sum = {};
	uint32_t key = dest * 2 + family;

	if (!each || bpf_map_lookup_elem(maps->fd[SKS_MAP_COUNTERS], &key, each))
		err = -errno;
	for (int i = 0; !err && i < cpus; i++) {
		sum.steered += each[i].steered;
		sum.refused += each[i].refused;
		sum.errors += each[i].errors;
		if (each[i].last_errno)
			sum.last_errno = each[i].last_errno;
	}
	free(each);
	if (!err)
		*ret_sum = sum;
	return err;
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
