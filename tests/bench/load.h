/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns how the bench comes by programs: the pinned one, the same one loaded again over its maps
 * without counters, or for random packets, and the peers. What the product's maps are and hold does
 * not matter here: they are those that the pinned program uses.
 */
#ifndef SKSTEER_BENCH_LOAD_H
#define SKSTEER_BENCH_LOAD_H

#include <bpf/btf.h>
#include <errno.h>
#include <sys/mman.h>

#include "packet.h"
#include "peers.h"

#define MAX_MAPS   32
#define MAX_LOADED 64

/* What is open, with the listener and the packets that are the peers'. */
static struct loaded {
	struct bpf_object *obj;
	int sock;
	struct bench_packets *packets;
} loaded[MAX_LOADED];
static unsigned int n_loaded;

static bool ends(const char *name, const char *end)
{
	size_t len = strlen(name), n = strlen(end);

	return len >= n && !strcmp(name + len - n, end);
}

/* The kernel keeps 15 bytes of a name; that of a section begins with the object's. */
static bool same_map(const char *ours, const char *kernels)
{
	const char *dot = strchr(ours, '.');

	return dot ? ends(kernels, dot) : !strncmp(ours, kernels, BPF_OBJ_NAME_LEN - 1);
}

/* The map of a loaded program that an object's map is to be, or -1. */
static int find_map(int prog, const char *name)
{
	__u32 ids[MAX_MAPS], len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = { .nr_map_ids = MAX_MAPS, .map_ids = (uintptr_t)ids };

	need(!bpf_obj_get_info_by_fd(prog, &info, &len), "the program's maps");
	for (__u32 i = 0; i < info.nr_map_ids && i < MAX_MAPS; i++) {
		int fd = bpf_map_get_fd_by_id(ids[i]);
		struct bpf_map_info map = {};

		len = sizeof(map);
		need(fd >= 0 && !bpf_obj_get_info_by_fd(fd, &map, &len), "a map of the program");
		if (same_map(name, map.name))
			return fd;
		close(fd);
	}
	return -1;
}

static const struct btf_var_secinfo *find_variable(const struct bpf_object *obj, const char *name)
{
	const struct btf *btf = bpf_object__btf(obj);
	int id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	const struct btf_type *section = id < 0 ? NULL : btf__type_by_id(btf, (__u32)id);

	for (__u16 i = 0; section && i < btf_vlen(section); i++) {
		const struct btf_var_secinfo *var = btf_var_secinfos(section) + i;
		const struct btf_type *type = btf__type_by_id(btf, var->type);

		if (!strcmp(btf__name_by_offset(btf, type->name_off), name))
			return var;
	}
	return NULL;
}

/*
 * The constants are those with which the helper loaded the program, but for the counters: what is
 * from no interface is a packet here, and no question.
 */
static void set_constants(const struct bpf_object *obj, struct bpf_map *map, int prog, bool counts)
{
	const struct btf_var_secinfo *var = find_variable(obj, "count_verdicts");
	const struct btf_var_secinfo *question = find_variable(obj, "last_question");
	int theirs = find_map(prog, ".rodata");
	struct bpf_map_info info = {};
	__u32 len = sizeof(info), key = 0;
	char *value;
	size_t size;

	need(theirs >= 0 && !bpf_obj_get_info_by_fd(theirs, &info, &len), "the constants");
	(void)bpf_map__initial_value(map, &size);
	errno = EINVAL;
	need(size == info.value_size, "the pinned program is of another build: its constants");
	value = malloc(size);
	need(value && !bpf_map_lookup_elem(theirs, &key, value), "the constants");
	if (var)
		value[var->offset] = counts;
	else if (!counts)
		errx(1, "the dispatcher has no count_verdicts");
	if (question)
		memset(value + question->offset, 0xff, sizeof(__s32));
	else if (counts)
		errx(1, "the dispatcher has no last_question");
	need(!bpf_map__set_initial_value(map, value, size), "the constants");
	free(value);
	close(theirs);
}

/* NAME of what was built; packets: a map to share, or -1. */
static struct bpf_object *open_object(const char *name, int packets)
{
	struct bpf_object *obj = open_built(name);
	struct bpf_map *map;

	if (n_loaded == MAX_LOADED)
		errx(1, "too many programs");
	loaded[n_loaded++] = (struct loaded){ .obj = obj, .sock = -1 };
	bpf_object__for_each_map(map, obj)
	{
		if (packets >= 0 && !strcmp(bpf_map__name(map), ".data.bench"))
			need(!bpf_map__reuse_fd(map, packets), "the packets");
	}
	return obj;
}

/* A build of the dispatcher over the maps of the pinned one. */
static struct bpf_object *load_dispatcher(const char *object, int pinned, bool counts, int packets)
{
	struct bpf_object *obj = open_object(object, packets);
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj)
	{
		const char *name = bpf_map__name(map);
		int fd;

		if (!strcmp(name, ".data.bench"))
			continue;
		if (ends(name, ".rodata")) {
			set_constants(obj, map, pinned, counts);
			continue;
		}
		fd = find_map(pinned, name);
		/* What the program does not use are the helper's records. */
		need(!(fd < 0 ? bpf_map__set_autocreate(map, false) : bpf_map__reuse_fd(map, fd)),
		     name);
		if (fd >= 0)
			close(fd);
	}
	need(!bpf_object__load(obj), object);
	return obj;
}

static int program(const struct bpf_object *obj, const char *name)
{
	const struct bpf_program *prog = bpf_object__find_program_by_name(obj, name);

	need(prog != NULL, name);
	return bpf_program__fd(prog);
}

/* Peers with a socket and packets of their own. */
static struct loaded *load_peers(void)
{
	struct bpf_object *obj = open_object("bench/peers", -1);
	struct loaded *peers = &loaded[n_loaded - 1];
	void *memory;

	need(!bpf_object__load(obj), "the peers");
	memory = mmap(NULL, sizeof(struct bench_packets), PROT_READ | PROT_WRITE, MAP_SHARED,
		      map_fd(obj, ".data.bench"), 0);
	need(memory != MAP_FAILED, "the packets");
	peers->sock = bound_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, NULL, 0);
	need(!listen(peers->sock, 1), "the peers' listener");
	set_peers_socket(obj, peers->sock);
	peers->packets = memory;
	return peers;
}

static void unload_all(void)
{
	while (n_loaded) {
		struct loaded *l = &loaded[--n_loaded];

		if (l->packets)
			(void)munmap(l->packets, sizeof(*l->packets));
		if (l->sock >= 0)
			close(l->sock);
		bpf_object__close(l->obj);
	}
}

#endif
