/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the map contract: what lies in the pinned maps of one network namespace, for the dispatcher
 * and for the helper alike. The maps are the database: the helper keeps nothing that it could not
 * read from here, so that it may die at any instant.
 *
 * One word publishes a change: ports.head.epoch. A record lives from the epoch in which it was born
 * until the one in which it died; the next state is written beside the current one (records born
 * at epoch + 1, the other of the two port tables) and becomes the current one when the helper
 * stores epoch + 1. A helper that dies before that store has changed nothing.
 *
 * Host byte order, but for addresses, which are as on the wire. No 16-bit or 8-bit field that the
 * program writes: it writes counters alone.
 */
#ifndef SKSTEER_MAPS_H
#define SKSTEER_MAPS_H

#include <linux/types.h>

#define SKS_LAYOUT 1u /* a change of anything below is a new layout */
#define SKS_MAGIC  0x736b7374u

/* A port's entry: 0 passes, a small value is a destination on any address, otherwise a rule. */
#define SKS_TABLE_RULES	 16384u
#define SKS_PORT_NUMBERS 65536u

/* Capacities of a namespace; more is refused with ENOSPC and a text that names which. */
#define SKS_MAX_SERVICES 512u
#define SKS_MAX_DESTS	 1024u /* < SKS_TABLE_RULES; number 0 is never used */
#define SKS_MAX_SLOTS	 2048u /* sockets; number 0 is never used, so a lookup there finds none */
#define SKS_MAX_BINDINGS 16384u
#define SKS_MAX_RULES	 512u	/* per protocol */
#define SKS_MAX_PREFIXES 65536u /* entries of the overflow trie */

#define SKS_INLINE_PREFIXES 4 /* per rule and family; further ones are in the trie */

/*
 * How far the program follows a destination's sockets when the first ones are gone. The helper
 * takes dead ones out within a second, so a longer row of dead sockets means a dead helper too.
 */
#define SKS_CHAIN_MAX 256

#define SKS_TCP 0u
#define SKS_UDP 1u
#define SKS_V4	0u
#define SKS_V6	1u

/* Which families a socket, or the sockets of a destination, serve. */
#define SKS_SERVES_V4	 1u /* 1 << SKS_V4 */
#define SKS_SERVES_V6	 2u /* 1 << SKS_V6 */
#define SKS_SERVES_BOTH	 3u
#define SKS_SERVES_AS_V6 4u /* IPv4 by a dual-stack IPv6 socket, ... */
#define SKS_SERVES_AS_V4 8u /* ... by an IPv4 socket */

struct sks_head {
	__u32 magic;
	__u32 layout;
	__u32 epoch; /* its low bit selects the table; 0: nothing was ever published */
	__u32 reserved;
	__u64 program; /* hash of the loaded object, so that a newer helper knows to replace it */
	__u64 reserved2[5];
};

/* table[epoch & 1][SKS_TCP or SKS_UDP][port], flat so that one index with one bound reaches all. */
struct sks_ports {
	struct sks_head head;
	__u16 table[2 * 2 * SKS_PORT_NUMBERS];
};

static inline __u32 sks_table_index(__u32 epoch, __u32 proto, __u32 port)
{
	return (epoch & 1) << 17 | proto << 16 | (port & 0xffff);
}

/* An unused entry has mask 0 and an address that is not 0, so it never matches. */
struct sks_inline4 {
	__u32 addr;
	__u32 mask;
	__u32 dest;
};

struct sks_inline6 {
	__u32 addr[4];
	__u32 mask[4];
	__u32 dest;
};

/* What a class of ports does, the longest prefixes first; index: protocol * SKS_MAX_RULES + number.
 */
struct sks_rule {
	struct sks_inline4 v4[SKS_INLINE_PREFIXES];
	__u32 trie4; /* not 0: shorter prefixes are in the trie */
	__u32 trie6;
	__u32 devices; /* not 0: some destination is bound to an interface, so look at each */
	__u32 reserved;
	struct sks_inline6 v6[SKS_INLINE_PREFIXES];
	__u32 reserved2[4];
};

/* Trie key: rule is (rule index * 2 + SKS_V4 or SKS_V6), matched whole. Value: a destination
 * (__u32). */
struct sks_trie_key {
	__u32 prefixlen; /* 32 + the prefix's */
	__u32 rule;
	__u32 addr[4]; /* IPv4 in addr[0], the rest 0 */
};

/* dest.slot: this family is not served here, so the packet is none of ours. */
#define SKS_SLOT_PASS 0xffffffffu

/* Of two copies the one with the latest since <= epoch counts. */
struct sks_reach {
	__u32 since;	/* 0: never written */
	__u32 families; /* SKS_SERVES_..., of its sockets, alive or not */
};

/*
 * A destination: the sockets of one service that listen on one port at one address (all wildcard
 * ones together), a chain for each family. slot 0 ends a chain; an empty chain refuses. Port 0: no
 * socket has come yet to a label that has addresses of its own, so it refuses there.
 */
struct sks_dest {
	__u32 slot[2]; /* SKS_V4, SKS_V6: the chain's first slot, or SKS_SLOT_PASS */
	__u32 ifindex; /* not 0: only what arrives on this interface (a device-bound or link-local
			  socket) */
	__u32 born, died;
	__u16 service;
	__u16 port;	/* that the sockets are bound to */
	__u8 proto;	/* SKS_TCP or SKS_UDP */
	__u8 wildcard;	/* addr does not count */
	__u8 family;	/* of addr: AF_INET or AF_INET6 */
	__u8 inherited; /* SKS_SERVES_BOTH: an earlier instance's, refused meanwhile */
	__u8 addr[16];
	struct sks_reach reach[2];
	__u32 reserved2;
};

/* A registered socket; the sockmap holds it at the same index while it is open. */
struct sks_slot {
	__u64 cookie;  /* 0: the slot is free */
	__u32 next[2]; /* the next slot of the destination's chain of each family */
	__u32 pid;     /* of the process that registered it, in the helper's pid namespace */
	__u16 dest;
	__u16 weight;
	__u8 families; /* SKS_SERVES_... */
	__u8 reserved[7];
};

struct sks_counter {
	__u64 steered;
	__u64 refused; /* no socket */
	__u64 errors;  /* bpf_sk_assign failed */
	__s64 last_errno;
};

/* What changes when another instance takes a label over; the copy with the latest since <= epoch
 * counts. */
struct sks_owner {
	__u32 since; /* 0: never written */
	__u32 pid;
	__u64 spec_hash;
	__u8 instance[16];
	__u16 first_port[2]; /* SKS_TCP, SKS_UDP: the first listener, to which clauses without one
				apply */
	__u32 taken_over;    /* the epoch in which this instance came; destinations born before are
				another's */
};

struct sks_service {
	__u32 born, died;
	__u32 uid;	/* in the helper's user namespace */
	__u32 named;	/* has a label of its own, and outlives its sockets */
	char label[64]; /* or @COMM-PID; NUL-terminated */
	struct sks_owner owner[2];
	struct sks_counter past; /* of destinations that are gone */
};

enum sks_source {
	SKS_FROM_SPEC = 1, /* the environment of a server */
	SKS_FROM_CTL = 2,  /* sksteerctl */
	SKS_LEFT_OUT = 3,  /* ports that the service's wide ranges leave to others */
};

/* One target of a service, as the grammar has it (common/spec.h). */
struct sks_binding {
	__u32 born, died;
	__u16 service;
	__u16 first, last;
	__u16 listener_port; /* 0: the first listener */
	__u8 source;	     /* enum sks_source */
	__u8 proto;	     /* SKS_TCP or SKS_UDP */
	__u8 where;	     /* enum sks_where */
	__u8 all;	     /* "*" */
	__u8 family, len;    /* of the prefix, where where says so */
	__u8 listener_family, listener_len;
	__u8 addr[16];
	__u8 listener_addr[16];
	__u8 reserved[8];
};

_Static_assert(sizeof(struct sks_head) == 64, "map layout");
_Static_assert(sizeof(struct sks_rule) == 224, "map layout");
_Static_assert(sizeof(struct sks_trie_key) == 24, "map layout");
_Static_assert(sizeof(struct sks_dest) == 64, "map layout");
_Static_assert(sizeof(struct sks_slot) == 32, "map layout");
_Static_assert(sizeof(struct sks_counter) == 32, "map layout");
_Static_assert(sizeof(struct sks_owner) == 40, "map layout");
_Static_assert(sizeof(struct sks_service) == 192, "map layout");
_Static_assert(sizeof(struct sks_binding) == 64, "map layout");

#endif
