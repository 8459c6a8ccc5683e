/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns every use of libbpf and bpf(2): a namespace's program, link and maps, and their pins. Nobody
 * else includes libbpf: helper/bpf.c loads, attaches and opens, helper/bpf_grow.c replaces what
 * runs, helper/bpf_map.c reads and writes elements, helper/bpf_copy.c and helper/bpf_census.c run
 * programs over them, helper/bpf_ask.c asks the program itself, helper/bpf_claims.c has the
 * bind hooks, helper/bpf_peek.c knows other versions' pins, helper/bpf_why.c listens to what libbpf
 * says.
 */
#ifndef SKSTEER_BPF_H
#define SKSTEER_BPF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/maps.h"
#include "../common/prefix.h"

struct sks_packet; /* helper/packet.h */

enum sks_map {
	SKS_MAP_PORTS,
	SKS_MAP_RULES4,
	SKS_MAP_RULES6,
	SKS_MAP_PREFIXES,
	SKS_MAP_DESTS,
	SKS_MAP_SOCKETS,
	SKS_MAP_HEADS,
	SKS_MAP_SLOTS,
	SKS_MAP_COUNTERS,
	SKS_MAP_GROUPS,
	SKS_MAP_SERVICES,
	SKS_MAP_BINDINGS,
	SKS_MAP_COUNT,
};

/* The program that finds closed sockets, of one sockmap (helper/bpf_census.c). */
struct sks_census {
	enum {
		SKS_CENSUS_NONE,
		SKS_CENSUS_LOADED,
		SKS_CENSUS_REFUSED, /* by the kernel */
	} state;
	int program;	      /* this and the next: only where it is loaded */
	const uint64_t *open; /* what it found last */
};

/*
 * The open maps of one namespace; the arrays are mapped into memory, which the program sees at
 * once. The pointers stand in the order of enum sks_map; what is not mapped has none.
 */
struct sks_maps {
	int fd[SKS_MAP_COUNT];
	uint32_t entries[SKS_MAP_COUNT]; /* that each has room for, now */
	uint32_t generation;		 /* head.generation before any other map was opened */
	int link; /* tells whether the namespace lives, and keeps it not alive */
	struct sks_census census;
	union {
		void *memory[SKS_MAP_COUNT];
		struct {
			struct sks_ports *ports;
			struct sks_rule4 *rules4;
			struct sks_rule6 *rules6;
			void *no_prefixes;
			struct sks_dest *dests;
			void *no_sockets;
			void *no_heads;
			struct sks_slot *slots;
			void *no_counters;
			struct sks_group *groups;
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
/* Of the last load or growth that failed: the line of libbpf or the verifier that tells most; ""
 * after one that succeeded, and after sks_bpf_put_socket(). */
const char *sks_bpf_why(void);
/* Nothing has been said of what begins now. */
void sks_bpf_forget(void);

/*
 * Loads the program with empty maps, pins them below dir (which is made, and must not exist) and
 * attaches it to the namespace. On failure nothing is left in dir. 0 or -errno.
 */
int sks_bpf_create(const char *dir, int netns, struct sks_maps *ret_maps);

/*
 * What is pinned in dir, by whichever version: the layout of its maps (0: none that we know how to
 * read) and the namespace that the link is attached to, as an inode number (0: it is gone). 0,
 * -ENOENT: no link is pinned there; or why it can't be read.
 */
int sks_bpf_peek(const char *dir, uint32_t *ret_layout, uint64_t *ret_ino);

/*
 * Opens what is pinned; read-only maps are not writable. The only writer finishes, or takes back,
 * what a helper that died at it was replacing. -ENOENT: there is no link; -EUCLEAN: another layout,
 * or a map that is not there or has another shape. Then nothing is touched.
 */
int sks_bpf_open(const char *dir, bool writable, struct sks_maps *ret_maps);
/* For readers, once they have read: no map was replaced meanwhile, so what they saw belongs
 * together. */
static inline bool sks_bpf_is_settled(const struct sks_maps *maps)
{
	uint32_t now = __atomic_load_n(&maps->ports->head.generation, __ATOMIC_ACQUIRE);

	return now == maps->generation && !(now & 1);
}
void sks_bpf_close(struct sks_maps *maps);

/*
 * Replaces the running program by this build's where it is another, over the same maps and by
 * bpf_link_update: no packet sees a gap. 0 or -errno (the old one runs on).
 */
int sks_bpf_refresh(const char *dir, struct sks_maps *maps);
/*
 * Replaces the map, and what shares its numbers (dests and counters, rules4 and rules6, slots and
 * sockets), by one with room for that many entries. What is in it moves over, the pointers above
 * stay valid, and no packet sees a gap. 0 or -errno: all is as before, and sks_bpf_why() and the
 * log say why. Packets that were counted while it moved are in services[].past.
 */
int sks_bpf_grow(const char *dir, struct sks_maps *maps, enum sks_map map, uint32_t entries);

/* The same for the sockmap of slots alone, which gets no larger: of the old one nothing counts any
 * more, not even what has still to come into it. */
int sks_bpf_renew_sockets(const char *dir, struct sks_maps *maps);

/* The namespace that the link is attached to, as an inode number; 0: it is gone. 0 or -errno. */
int sks_bpf_netns(const struct sks_maps *maps, uint64_t *ret_ino);

/* Unpins everything below dir: the link goes, and with it the program and the maps. */
void sks_bpf_remove(const char *dir);

/* The socket at that slot; the map holds no reference that would keep it open. */
int sks_bpf_put_socket(const struct sks_maps *maps, uint32_t slot, int sock);
int sks_bpf_del_socket(const struct sks_maps *maps, uint32_t slot);
/* Of all sockets, before the maps go for good: the kernel would wait for the lock of each. */
void sks_bpf_empty(const struct sks_maps *maps);
/* The same for heads, whose index is destination * 2 + family. */
int sks_bpf_put_head(const struct sks_maps *maps, uint32_t head, int sock);
void sks_bpf_del_head(const struct sks_maps *maps, uint32_t head);

struct sks_head_copy {
	uint32_t slot, head;
};
/* Puts the sockets of these slots into these heads, as far as they are open. 0 or -errno. */
int sks_bpf_copy_heads(const struct sks_maps *maps, const struct sks_head_copy *copies, size_t n);
/* SO_COOKIE of the socket at that slot; -ENOENT once it is closed. */
int sks_bpf_cookie(const struct sks_maps *maps, uint32_t slot, uint64_t *ret_cookie);
/*
 * Which of the slots below n hold an open socket, whichever it is, in one system call: slot
 * i is bit i % SKS_CENSUS_STEP of word i / SKS_CENSUS_STEP. The words are valid until the next call
 * for these maps. NULL: this kernel can't; ask each by sks_bpf_cookie().
 */
const uint64_t *sks_bpf_census(struct sks_maps *maps, uint32_t n);

/* What the program says of a packet. */
enum sks_said {
	SKS_SAID_NOTHING, /* it can't be asked: before Linux 5.13, or of a named interface */
	SKS_SAID_PASS,
	SKS_SAID_DROP,
	SKS_SAID_SOCKET, /* it is for the socket with that cookie ... */
	SKS_SAID_GROUP,	 /* ... or for one that shares its port by SO_REUSEPORT */
};
/* Asks the attached program itself, which does not count that. 0 or -errno. */
int sks_bpf_ask(const char *dir, const struct sks_maps *maps, const struct sks_packet *packet,
		enum sks_said *ret_said, uint64_t *ret_cookie);

/* rule: as in struct sks_trie_key. The destination and the prefix's length become the hop. */
int sks_bpf_put_prefix(const struct sks_maps *maps, uint32_t rule, const struct sks_prefix *prefix,
		       uint32_t dest);
int sks_bpf_del_prefix(const struct sks_maps *maps, uint32_t rule, const struct sks_prefix *prefix);
/*
 * Calls keep() for every entry of the trie, and deletes those for which it is false. prefix has the
 * family that rule says. 0 or -errno.
 */
int sks_bpf_filter_prefixes(const struct sks_maps *maps,
			    bool (*keep)(void *arg, uint32_t rule, const struct sks_prefix *prefix,
					 uint32_t dest),
			    void *arg);

/* The sum over all CPUs; last_errno is one of the CPUs' that have any. */
int sks_bpf_counter(const struct sks_maps *maps, uint32_t dest, uint32_t family,
		    struct sks_counter *ret_sum);
int sks_bpf_clear_counters(const struct sks_maps *maps, uint32_t dest);

/*
 * The bind hooks and the trie of claims (helper/bpf_claims.c), one set for all namespaces. Loaded
 * once, and with CAP_PERFMON or CAP_SYS_ADMIN: else they can't tell [::] with IPV6_V6ONLY from one
 * without. 0 or -errno: no port can be taken here.
 */
int sks_bpf_claims_load(void);
void sks_bpf_claims_unload(void);
#define SKS_CLAIMS_HOOK "post6" /* the name of the last pin of what follows */
/* From now on, at that cgroup and all below; pinned in dir, which must not exist. 0 or -errno. */
int sks_bpf_claims_attach(const char *dir, int cgroup);
/* Forgets the links, which stay as long as their pins do. */
void sks_bpf_claims_detach(void);
/*
 * bind(2) of the socket with that SO_COOKIE, of that protocol (IPPROTO_...) and to precisely that
 * address, is judged as that user's, until sks_bpf_bound().
 */
int sks_bpf_bind_as(uint64_t cookie, uint32_t uid, uint8_t proto, const struct sockaddr *addr);
/*
 * The same, and where it would get the port it does not: the kernel gives that back before bind(2)
 * returns, which says ECANCELED (5.18; before, and where nobody has claims, 0).
 */
int sks_bpf_try_as(uint64_t cookie, uint32_t uid, uint8_t proto, const struct sockaddr *addr);
void sks_bpf_bound(uint64_t cookie);

int sks_bpf_put_claim(const struct sks_claim_key *key, const struct sks_claim *claim);
void sks_bpf_del_claim(const struct sks_claim_key *key);
/* Deletes those of the namespace for which keep() is false (NULL: all). */
typedef bool sks_claim_keep(void *arg, const struct sks_claim_key *key);
void sks_bpf_filter_claims(uint64_t netns, sks_claim_keep *keep, void *arg);
/* The same for all of a namespace in the trie that is pinned in dir, without having loaded any. */
void sks_bpf_clear_claims(const char *dir, uint64_t netns);
/* head.netns_cookie of the namespace that is pinned in dir; other versions have none. 0 or -errno. */
int sks_bpf_read_cookie(const char *dir, uint64_t *ret_cookie);

#endif
