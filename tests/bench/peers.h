/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how the bench's programs come by BPF objects that were built, and attach those of
 * peers.bpf.c. */
#ifndef SKSTEER_BENCH_PEERS_H
#define SKSTEER_BENCH_PEERS_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bench.h"

/* NAME of what was built in $BUILD. */
static inline struct bpf_object *open_built(const char *name)
{
	struct bpf_object *obj;
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s.bpf.o", getenv("BUILD") ?: "build", name);
	obj = bpf_object__open_file(path, NULL);
	need(obj != NULL, path);
	return obj;
}

static inline int map_fd(const struct bpf_object *obj, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(obj, name);

	need(fd >= 0, name);
	return fd;
}

/* The one socket to which the peers steer. */
static inline void set_peers_socket(const struct bpf_object *obj, int listener)
{
	__u64 value = (__u64)listener;
	__u32 zero = 0;

	need(!bpf_map_update_elem(map_fd(obj, "socket"), &zero, &value, BPF_ANY), "a sockmap");
}

/* A port that the seeds' program steers. */
static inline void open_seed_port(const struct bpf_object *obj, int port)
{
	__u16 key = (__u16)port;
	__u8 one = 1;

	need(!bpf_map_update_elem(map_fd(obj, "seed_ports"), &key, &one, BPF_ANY), "a port");
}

/*
 * Steers these ports (NULL: all, unconditionally) of this network namespace while we live. Nothing
 * else of the object is loaded: its memory is measured.
 */
static inline void steer_as_peer(int listener, const struct ports *ports)
{
	int netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	struct bpf_object *obj = open_built("bench/peers");
	const char *name = ports ? "seed" : "least";
	struct bpf_program *prog;
	struct bpf_map *map;

	bpf_object__for_each_program(prog, obj)
	{
		(void)bpf_program__set_autoload(prog, !strcmp(bpf_program__name(prog), name));
	}
	bpf_object__for_each_map(map, obj)
	{
		const char *of = bpf_map__name(map);

		(void)bpf_map__set_autocreate(map, !strcmp(of, "socket") ||
							   (ports && !strcmp(of, "seed_ports")));
	}
	need(!bpf_object__load(obj), name);
	set_peers_socket(obj, listener);
	for (int port = ports ? ports->first : 1; port <= (ports ? ports->last : 0); port++)
		open_seed_port(obj, port);
	prog = bpf_object__find_program_by_name(obj, name);
	need(prog && netns >= 0 && bpf_program__attach_netns(prog, netns), name);
	close(netns);
}

#endif
