// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns loading, attaching, pinning and opening a namespace's program and maps. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../common/cleanup.h"
#include "bpf_load.h"
#include "dispatch.skel.h"
#include "hash.h"
#include "kernel.h"
#include "loader.h"

const struct sks_map_kind sks_map_kinds[SKS_MAP_COUNT] = {
	[SKS_MAP_PORTS] = { "ports", sizeof(struct sks_ports), 1, true },
	[SKS_MAP_RULES4] = { "rules4", sizeof(struct sks_rule4), 2 * SKS_MAX_RULES, true },
	[SKS_MAP_RULES6] = { "rules6", sizeof(struct sks_rule6), 2 * SKS_MAX_RULES, true },
	[SKS_MAP_PREFIXES] = { "prefixes", sizeof(uint32_t), SKS_MAX_PREFIXES, false },
	[SKS_MAP_DESTS] = { "dests", sizeof(struct sks_dest), SKS_MAX_DESTS, true },
	[SKS_MAP_SOCKETS] = { "sockets", sizeof(uint64_t), SKS_MAX_SLOTS, false },
	[SKS_MAP_HEADS] = { "heads", sizeof(uint64_t), 2 * SKS_MAX_DESTS, false },
	[SKS_MAP_SLOTS] = { "slots", sizeof(struct sks_slot), SKS_MAX_SLOTS, true },
	[SKS_MAP_COUNTERS] = { "counters", sizeof(struct sks_counter), 2 * SKS_MAX_DESTS, false },
	[SKS_MAP_GROUPS] = { "groups", sizeof(struct sks_group), SKS_MAX_GROUPS, true },
	[SKS_MAP_SERVICES] = { "services", sizeof(struct sks_service), SKS_MAX_SERVICES, true },
	[SKS_MAP_BINDINGS] = { "bindings", sizeof(struct sks_binding), SKS_MAX_RECORDS, true },
};

static int pin_path(char path[SKS_PIN_PATH], const char *dir, const char *name, const char *suffix)
{
	int len = snprintf(path, SKS_PIN_PATH, "%s/%s%s", dir, name, suffix);

	return len < 0 || len >= SKS_PIN_PATH ? -ENAMETOOLONG : 0;
}

/* The skeleton's maps in the order of enum sks_map. */
static void map_list(const struct dispatch *skel, struct bpf_map *ret[SKS_MAP_COUNT])
{
	ret[SKS_MAP_PORTS] = skel->maps.bss;
	ret[SKS_MAP_RULES4] = skel->maps.rules4;
	ret[SKS_MAP_RULES6] = skel->maps.rules6;
	ret[SKS_MAP_PREFIXES] = skel->maps.prefixes;
	ret[SKS_MAP_DESTS] = skel->maps.dests;
	ret[SKS_MAP_SOCKETS] = skel->maps.sockets;
	ret[SKS_MAP_HEADS] = skel->maps.heads;
	ret[SKS_MAP_SLOTS] = skel->maps.slots;
	ret[SKS_MAP_COUNTERS] = skel->maps.counters;
	ret[SKS_MAP_GROUPS] = skel->maps.groups;
	ret[SKS_MAP_SERVICES] = skel->maps.services;
	ret[SKS_MAP_BINDINGS] = skel->maps.bindings;
}

uint64_t sks_bpf_hash(void)
{
	size_t size = 0;
	const void *bytes = dispatch__elf_bytes(&size);

	return sks_hash(bytes, size);
}

int sks_bpf_load(const struct sks_maps *reuse, const uint32_t entries[SKS_MAP_COUNT], bool run,
		 struct sks_loaded *ret_loaded)
{
	struct sks_loaded loaded = { .skel = dispatch__open(), .program = -1 };
	struct bpf_map *maps[SKS_MAP_COUNT];
	int err;

	if (!loaded.skel)
		return -errno;
	map_list(loaded.skel, maps);
	err = bpf_program__set_autoload(loaded.skel->progs.sksteer, false);
	for (int i = 0; reuse && !err && i < SKS_MAP_COUNT; i++)
		err = entries[i] ? bpf_map__set_max_entries(maps[i], entries[i])
				 : bpf_map__reuse_fd(maps[i], reuse->fd[i]);
	if (!err)
		err = dispatch__load(loaded.skel);
	for (int i = 0; i < SKS_MAP_COUNT; i++)
		loaded.fd[i] = bpf_map__fd(maps[i]);
	if (!err && run) {
		loaded.program = sks_loader_load(SKS_PROGRAM_DISPATCH, loaded.fd, SKS_MAP_COUNT);
		err = loaded.program < 0 ? loaded.program : 0;
	}
	if (err)
		sks_bpf_unload(&loaded);
	else
		*ret_loaded = loaded;
	return err;
}

void sks_bpf_unload(struct sks_loaded *loaded)
{
	if (!loaded->skel)
		return;
	sks_closep(&loaded->program);
	dispatch__destroy(loaded->skel);
	loaded->skel = NULL;
}

int sks_bpf_keep_program(const struct bpf_program *program)
{
	int fd = fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* What is static is verified anew for each state in which it is called. */
static void make_static(const struct btf *btf)
{
	for (__u32 id = 1; id < btf__type_cnt(btf); id++) {
		struct btf_type *type = (struct btf_type *)btf__type_by_id(btf, id);

		if (btf_is_func(type))
			type->info = BTF_KIND_FUNC << 24 | BTF_FUNC_STATIC;
	}
}

int sks_bpf_load_dispatch(const int maps[SKS_MAP_COUNT])
{
	struct dispatch *skel = dispatch__open();
	struct bpf_map *list[SKS_MAP_COUNT];
	int err = 0;

	if (!skel)
		return -errno;
	skel->rodata->have_ingress_ifindex = sks_kernel_knows_ingress();
	if (!sks_kernel_takes_global())
		make_static(bpf_object__btf(skel->obj));
	map_list(skel, list);
	for (int i = 0; !err && i < SKS_MAP_COUNT; i++)
		err = bpf_map__reuse_fd(list[i], maps[i]);
	err = err ?: dispatch__load(skel) ?: sks_bpf_keep_program(skel->progs.sksteer);
	dispatch__destroy(skel);
	return err;
}

/* --- pins ------------------------------------------------------------------------------------- */

void sks_bpf_remove(const char *dir)
{
	DIR *list = opendir(dir);
	struct dirent *entry;

	/* First: without it, whoever dies here leaves nothing that looks like pins. */
	if (list)
		(void)unlinkat(dirfd(list), "link", 0);
	while (list && (entry = readdir(list)))
		(void)unlinkat(dirfd(list), entry->d_name, 0);
	if (list)
		(void)closedir(list);
	(void)rmdir(dir);
}

int sks_bpf_pin(int fd, const char *dir, const char *name, const char *suffix)
{
	char path[SKS_PIN_PATH];
	int err = pin_path(path, dir, name, suffix);

	if (err)
		return err;
	if (bpf_obj_pin(fd, path))
		return -errno;
	/* Inserting into an open map needs no capability on 6.1: only the group reads, root writes.
	 */
	return chmod(path, 0640) ? -errno : 0;
}

/* The names of what is replaced, the program last. */
static const char *pin_name(int i)
{
	return i < SKS_MAP_COUNT ? sks_map_kinds[i].name : "program";
}

int sks_bpf_adopt_pins(const char *dir)
{
	char from[SKS_PIN_PATH], to[SKS_PIN_PATH];
	int err = 0, failed;

	for (int i = 0; i <= SKS_MAP_COUNT; i++) {
		failed = pin_path(from, dir, pin_name(i), SKS_PIN_NEW)
				 ?: pin_path(to, dir, pin_name(i), "");
		if (!failed && rename(from, to) && errno != ENOENT)
			failed = -errno;
		err = err ?: failed;
	}
	return err;
}

void sks_bpf_drop_new_pins(const char *dir)
{
	char path[SKS_PIN_PATH];

	for (int i = 0; i <= SKS_MAP_COUNT; i++) {
		if (!pin_path(path, dir, pin_name(i), SKS_PIN_NEW))
			(void)unlink(path);
	}
}

int sks_bpf_open_pin(const char *dir, const char *name, const char *suffix, uint32_t flags)
{
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = flags);
	char path[SKS_PIN_PATH];
	int fd, err = pin_path(path, dir, name, suffix);

	if (err)
		return err;
	fd = bpf_obj_get_opts(path, &opts);
	return fd < 0 ? -errno : fd;
}

/* Is the program that waits as program-new the one that packets run already? Or -errno. */
static int is_attached(const char *dir, int link)
{
	CLEANUP_FD int program = sks_bpf_open_pin(dir, "program", SKS_PIN_NEW, 0);
	struct bpf_link_info attached = {};
	struct bpf_prog_info waiting = {};
	__u32 attached_len = sizeof(attached), waiting_len = sizeof(waiting);

	if (program < 0)
		return program == -ENOENT ? 0 : program;
	if (bpf_obj_get_info_by_fd(link, &attached, &attached_len) ||
	    bpf_obj_get_info_by_fd(program, &waiting, &waiting_len))
		return -errno;
	return attached.prog_id == waiting.id;
}

int sks_bpf_put_right(const char *dir, int link)
{
	int attached = is_attached(dir, link);

	if (attached < 0)
		return attached; /* who knows which pins count? */
	if (attached)
		return sks_bpf_adopt_pins(dir);
	sks_bpf_drop_new_pins(dir);
	return 0;
}

/* --- a namespace ------------------------------------------------------------------------------ */

int sks_bpf_create(const char *dir, int netns, struct sks_maps *ret_maps)
{
	CLEANUP_FD int link = -1;
	struct sks_loaded loaded = {};
	struct sks_ports *ports;
	int err;

	sks_bpf_forget();
	if (mkdir(dir, 0750))
		return -errno;
	err = sks_bpf_load(NULL, NULL, true, &loaded);
	if (err)
		goto out;
	ports = (struct sks_ports *)loaded.skel->bss;
	ports->head = (struct sks_head){ SKS_MAGIC, SKS_LAYOUT, .program = sks_bpf_hash() };
	for (int i = 0; !err && i < SKS_MAP_COUNT; i++)
		err = sks_bpf_pin(loaded.fd[i], dir, sks_map_kinds[i].name, "");
	if (!err)
		err = sks_bpf_pin(loaded.program, dir, "program", "");
	if (err)
		goto out;
	link = bpf_link_create(loaded.program, netns, BPF_SK_LOOKUP, NULL);
	err = link < 0 ? -errno : sks_bpf_pin(link, dir, "link", "");
	if (!err)
		err = sks_bpf_open(dir, true, ret_maps);
out:
	sks_bpf_unload(&loaded);
	if (err)
		sks_bpf_remove(dir);
	else
		sks_bpf_forget();
	return err;
}

/* A map of another shape would be read beyond its end. */
static int read_entries(int i, int fd, uint32_t *ret_entries)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	if (info.value_size != sks_map_kinds[i].size || info.max_entries > sks_map_kinds[i].max)
		return -EUCLEAN;
	*ret_entries = info.max_entries;
	return 0;
}

static size_t reserved(int i)
{
	return sks_map_kinds[i].size * sks_map_kinds[i].max;
}

/* The map at the beginning of addresses that the largest would take, so that it can grow there. */
static int map_memory(struct sks_maps *maps, int i, int prot)
{
	size_t size = sks_map_kinds[i].size * maps->entries[i];
	void *room = mmap(NULL, reserved(i), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			  -1, 0);

	if (room == MAP_FAILED)
		return -errno;
	maps->memory[i] = room;
	return mmap(room, size, prot, MAP_SHARED | MAP_FIXED, maps->fd[i], 0) == MAP_FAILED ? -errno
											    : 0;
}

/*
 * The kernel maps an array into memory only shared, and shared only where the file is open for
 * writing. So even reading needs root; the memory itself is then read-only.
 */
static int open_map(const char *dir, int i, bool writable, struct sks_maps *maps)
{
	const struct sks_map_kind *kind = &sks_map_kinds[i];
	int err;

	maps->fd[i] =
		sks_bpf_open_pin(dir, kind->name, "", writable || kind->mapped ? 0 : BPF_F_RDONLY);
	if (maps->fd[i] < 0)
		return maps->fd[i] == -ENOENT ? -EUCLEAN : maps->fd[i]; /* the link is there */
	err = read_entries(i, maps->fd[i], &maps->entries[i]);
	if (err || !kind->mapped)
		return err;
	err = map_memory(maps, i, PROT_READ | (writable ? PROT_WRITE : 0));
	return err ? sks_bpf_explain(err, "mapping it into memory") : 0;
}

/* A helper that died while it replaced maps left it odd. */
static void settle_generation(struct sks_maps *maps)
{
	maps->generation += maps->generation & 1;
	__atomic_store_n(&maps->ports->head.generation, maps->generation, __ATOMIC_RELEASE);
}

int sks_bpf_open(const char *dir, bool writable, struct sks_maps *ret_maps)
{
	struct sks_maps maps = { .link = sks_bpf_open_pin(dir, "link", "", 0) };
	int err = maps.link < 0 ? maps.link : 0;

	for (int i = 0; i < SKS_MAP_COUNT; i++)
		maps.fd[i] = -1;
	if (!err)
		err = sks_bpf_check_layout(dir);
	if (!err && writable)
		err = sks_bpf_put_right(dir, maps.link);
	for (int i = 0; !err && i < SKS_MAP_COUNT; i++) {
		err = open_map(dir, i, writable, &maps);
		if (!err && i == SKS_MAP_PORTS)
			maps.generation =
				__atomic_load_n(&maps.ports->head.generation, __ATOMIC_ACQUIRE);
	}
	if (!err && writable)
		settle_generation(&maps);
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
			(void)munmap(maps->memory[i], reserved(i));
		maps->memory[i] = NULL;
		sks_closep(&maps->fd[i]);
		maps->fd[i] = -1;
	}
	sks_closep(&maps->link);
	maps->link = -1;
	sks_bpf_drop_census(maps);
}
