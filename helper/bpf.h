/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns every use of libbpf and bpf(2): a namespace's program, link and maps, and their pins. */
#ifndef SKSTEER_BPF_H
#define SKSTEER_BPF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/maps.h"
#include "../common/prefix.h"

enum sks_map {
	SKS_MAP_PORTS,
	SKS_MAP_RULES,
	SKS_MAP_PREFIXES,
	SKS_MAP_DESTS,
	SKS_MAP_SOCKETS,
	SKS_MAP_SLOTS,
	SKS_MAP_COUNTERS,
	SKS_MAP_SERVICES,
	SKS_MAP_BINDINGS,
	SKS_MAP_COUNT,
};

/*
 * The open maps of one namespace; the arrays are mapped into memory, which the program sees at
 * once. The pointers stand in the order of enum sks_map; what is not mapped has none.
 */
struct sks_maps {
	int fd[SKS_MAP_COUNT];
	int link; /* tells whether the namespace lives, and keeps it not alive */
	union {
		void *memory[SKS_MAP_COUNT];
		struct {
			struct sks_ports *ports;
			struct sks_rule *rules;
			void *no_prefixes;
			struct sks_dest *dests;
			void *no_sockets;
			struct sks_slot *slots;
			void *no_counters;
			struct sks_service *services;
			struct sks_binding *bindings;
		};
	};
};
_Static_assert(offsetof(struct sks_maps, bindings) ==
		       offsetof(struct sks_maps, memory[SKS_MAP_BINDINGS]),
	       "one pointer a map");

/* Gets the lines that libbpf and the verifier print; NULL: none. */
typedef void sks_bpf_log(const char *text);
void sks_bpf_set_log(sks_bpf_log *log);

/*
 * Loads the program with empty maps, pins them below dir (which is made, and must not exist) and
 * attaches it to the namespace. On failure nothing is left in dir. 0 or -errno.
 */
int sks_bpf_create(const char *dir, int netns, struct sks_maps *ret_maps);

/* Opens what is pinned; read-only maps are not writable. -ENOENT, -EUCLEAN: another layout. */
int sks_bpf_open(const char *dir, bool writable, struct sks_maps *ret_maps);
void sks_bpf_close(struct sks_maps *maps);

/*
 * Replaces the running program by this build's where it is another, over the same maps and by
 * bpf_link_update: no packet sees a gap. 0 or -errno (the old one runs on).
 */
int sks_bpf_refresh(const char *dir, struct sks_maps *maps);
/* The namespace that the link is attached to, as an inode number; 0: it is gone. 0 or -errno. */
int sks_bpf_netns(const struct sks_maps *maps, uint64_t *ret_ino);

/* Unpins everything below dir: the link goes, and with it the program and the maps. */
void sks_bpf_remove(const char *dir);

/* The socket at that slot; the map holds no reference that would keep it open. */
int sks_bpf_put_socket(const struct sks_maps *maps, uint32_t slot, int sock);
int sks_bpf_del_socket(const struct sks_maps *maps, uint32_t slot);
/* SO_COOKIE of the socket at that slot; -ENOENT once it is closed. */
int sks_bpf_cookie(const struct sks_maps *maps, uint32_t slot, uint64_t *ret_cookie);

/* rule: as in struct sks_trie_key. */
int sks_bpf_put_prefix(const struct sks_maps *maps, uint32_t rule, const struct sks_prefix *prefix,
		       uint32_t dest);
int sks_bpf_del_prefix(const struct sks_maps *maps, uint32_t rule, const struct sks_prefix *prefix);
/* Deletes the trie's entries of every rule for which keep() is false. 0 or -errno. */
int sks_bpf_prune_prefixes(const struct sks_maps *maps, bool (*keep)(void *arg, uint32_t rule),
			   void *arg);

/* The sum over all CPUs; last_errno is one of the CPUs' that have any. */
int sks_bpf_counter(const struct sks_maps *maps, uint32_t dest, uint32_t family,
		    struct sks_counter *ret_sum);
int sks_bpf_clear_counters(const struct sks_maps *maps, uint32_t dest);

#endif
