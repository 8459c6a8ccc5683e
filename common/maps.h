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

/*
 * A change of anything below is a new layout. The link's pin, and that the map "ports" begins with
 * these two words, are the same in all: so a version knows what another one has left.
 */
#define SKS_LAYOUT 6u
#define SKS_MAGIC  0x736b7374u

/* A port's entry: 0 passes, a small value is a destination on any address, otherwise a rule. */
#define SKS_TABLE_RULES	 16384u
#define SKS_PORT_NUMBERS 65536u

/*
 * What a namespace has room for at most; more is refused with ENOSPC and a text that names which.
 * The maps begin small (bpf/dispatch.bpf.c) and are replaced by larger ones as they fill.
 */
#define SKS_MAX_SERVICES 4096u
#define SKS_MAX_DESTS	 (SKS_TABLE_RULES - 1) /* number 0 is never used */
#define SKS_MAX_SLOTS	 65536u /* sockets; number 0 is never used, so a lookup there finds none */
#define SKS_MAX_GROUPS	 4096u	/* number 0 is never used */
#define SKS_MAX_BINDINGS 1000000u
#define SKS_MAX_RECORDS	 (SKS_MAX_BINDINGS + SKS_PORT_NUMBERS) /* with what is left out */
#define SKS_MAX_RULES	 (SKS_PORT_NUMBERS - SKS_TABLE_RULES)  /* per protocol */
#define SKS_MAX_PREFIXES (4u * SKS_MAX_BINDINGS)	       /* entries of the trie */

/*
 * Leads to no record: what comes from this machine passes, the rest is refused. For ports at which
 * servers were bound instead of the ones that they asked for.
 */
#define SKS_DEST_GUARD SKS_MAX_DESTS

#define SKS_INLINE_PREFIXES 4 /* per rule and family; further ones are in the trie */

/*
 * How far the program follows a destination's sockets when the first ones are gone. The helper
 * takes dead ones out within a second, so a longer row of dead sockets means a dead helper too.
 */
#define SKS_CHAIN_MAX 256
/* How many places of a group it tries before that. */
#define SKS_GROUP_TRIES 4

/* Sockets that move in one run when their map is replaced by a larger one. */
#define SKS_COPY_STEP 128u
/* Sockets that one run asks for whether they are open: a word has a bit for each. */
#define SKS_CENSUS_STEP 64u

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

/*
 * A question about a packet that nobody has sent comes from no interface (BPF_PROG_TEST_RUN), or
 * from interface -N (a sock_diag(7) request): the program answers as for interface N, and does not
 * count.
 */
struct sks_head {
	__u32 magic;
	__u32 layout;
	__u32 epoch;	    /* its low bit selects the table; 0: nothing was ever published */
	__u32 generation;   /* odd while maps are being replaced by larger ones */
	__u64 program;	    /* hash of the loaded object, so that a newer helper replaces it */
	__u32 star[2 * 2];  /* [epoch & 1][protocol]: index + 1 of the rule of all ports, or 0 */
	__u64 netns_cookie; /* SO_NETNS_COOKIE, which tells it from all others; 0: unknown */
	/* ip_local_port_range as it was last seen: ranges yield there. Both 0: not seen yet. */
	__u16 local_first, local_last;
	__u32 counting; /* odd while counters pass from a destination that is gone to its service */
	__u64 reserved;
};

/* table[epoch & 1][SKS_TCP or SKS_UDP][port], flat so that one index with one bound reaches all. */
struct sks_ports {
	struct sks_head head;
	__u16 table[2 * 2 * SKS_PORT_NUMBERS];
};

static inline __u32 sks_table_index(__u32 epoch, __u32 proto, __u32 port)
{
	return (epoch << 17 | proto << 16 | port) & 0x3ffff;
}

static inline __u32 sks_star_index(__u32 epoch, __u32 proto)
{
	return (epoch & 1) << 1 | proto;
}

/* Where a prefix leads: a destination (0: nowhere) and the prefix's length. */
static inline __u32 sks_hop(__u32 dest, __u32 len)
{
	return dest | len << 16;
}

static inline __u32 sks_hop_dest(__u32 hop)
{
	return hop & 0xffff;
}

static inline __u32 sks_hop_len(__u32 hop)
{
	return hop >> 16;
}

#define SKS_RULE_STAR	 1u /* the rule of all ports applies too, where its prefix is longer */
#define SKS_RULE_DEVICES 2u /* some destination is bound to an interface, so look at each */
#define SKS_RULE_TRIE	 4u /* shorter prefixes are in the trie */
#define SKS_RULE_CLOSELY 8u /* never in a rule: the program's own */

/* Half of an IPv6 address, as on the wire. */
struct sks_half {
	__u64 addr, mask;
};

/*
 * What a class of ports does, one rule a family, the longest prefixes first; index of both: number
 * * 2 + protocol. After the last prefix comes one of zeroes, which holds every address and leads
 * nowhere. Masks, for they cost the program least; 64 bytes, for random packets to many ports find
 * few of them in a cache.
 */
struct sks_rule4 {
	__u32 flags;
	__u8 rest[SKS_INLINE_PREFIXES]; /* bits that do not count: 32 - length */
	__u16 dest[SKS_INLINE_PREFIXES];
	__u32 addr[SKS_INLINE_PREFIXES]; /* the others, in host byte order: address >> rest */
};

struct sks_rule6 {
	__u32 flags;
	__u8 len[SKS_INLINE_PREFIXES];
	__u16 dest[SKS_INLINE_PREFIXES];
	struct sks_half high[SKS_INLINE_PREFIXES];
	struct sks_half low[SKS_INLINE_PREFIXES];
	__u64 reserved[6];
};

/*
 * Trie key: rule is (rule index * 2 + SKS_V4 or SKS_V6), matched whole. Value: a hop (__u32).
 * The address is as on the wire.
 */
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
	__u16 group[2]; /* SKS_V4, SKS_V6: how its sockets share, or 0: the chain's first serves */
};

/*
 * A registered socket; the sockmap `sockets` holds it at the same index while it is open. The first
 * of each chain is also in the sockmap `heads`, where the program finds it at once: index
 * destination * 2 + family. Not there: a destination whose sockets share it, or are an interface's.
 */
struct sks_slot {
	__u64 cookie;  /* 0: the slot is free */
	__u32 next[2]; /* the next slot of the destination's chain of each family */
	__u32 pid;     /* of the process that registered it, in the helper's pid namespace */
	__u32 inode;   /* of the socket, as /proc/PID/fd shows it */
	__u32 since;   /* the epoch in which its instance came: as sks_owner.taken_over */
	__u32 spec;    /* the epoch in which that instance's spec came: as sks_owner.spec */
	__u64 spec_hash;
	__u8 instance[16];
	__u16 dest;
	__u16 weight;
	__u16 port;    /* that it is bound to, where that is not its destination's; else 0 */
	__u8 families; /* SKS_SERVES_... */
	__u8 flags;    /* SKS_SLOT_... */
};

#define SKS_SLOT_FIRST	 1u  /* of its instance's first listener of the protocol */
#define SKS_SLOT_STANDBY 2u  /* in no chain until its instance takes over */
#define SKS_SLOT_SHARED	 8u  /* another instance was given the very socket */
#define SKS_SLOT_ANSWERS 16u /* UDP: answers leave from where was asked, see SKS_REGISTER_ANSWERS */
#define SKS_SLOT_ALONE	 32u /* the supervisor (seccomp engine) of its instance has been killed */
#define SKS_SLOT_MOVED	 4u  /* bound elsewhere than its server asked for, and does not know */

/*
 * Independent sockets that share a destination: the hash of a packet's addresses and ports picks
 * the place, which names the socket's slot (0: none, so the chain decides). A socket has places in
 * proportion to its weight, and keeps them while others come and go.
 */
#define SKS_GROUP_PLACES 256u

struct sks_group {
	__u16 place[SKS_GROUP_PLACES];
};

/* Why bpf_sk_assign failed. */
enum sks_failure {
	SKS_FAILED_IDLE, /* ESOCKTNOSUPPORT: a UDP socket that has connected, a listener shut down */
	SKS_FAILED_CHOSEN, /* EEXIST: another program of the namespace has chosen a socket before */
	SKS_FAILED_OTHER,
	SKS_FAILURES
};

struct sks_counter {
	__u64 steered;
	__u64 refused; /* no socket */
	__u64 errors[SKS_FAILURES];
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
	__u32 spec;	     /* the epoch in which the spec came that counts: its bindings say so */
	__u32 reserved;
};

struct sks_service {
	__u32 born, died;
	__u32 uid;	/* in the helper's user namespace */
	__u32 named;	/* has a label of its own, and outlives its sockets */
	char label[64]; /* or @COMM-PID; NUL-terminated */
	struct sks_owner owner[2];
	struct sks_counter past[2][2]; /* [SKS_TCP, SKS_UDP][SKS_V4, SKS_V6]: of destinations that
					  are gone */
};

enum sks_source {
	SKS_FROM_SPEC = 1, /* the environment of a server */
	SKS_FROM_CTL = 2,  /* sksteerctl */
	SKS_LEFT_OUT = 3,  /* ports that the service's wide ranges leave to others */
	SKS_OWN_PORT = 4,  /* that a server asked for, which was bound elsewhere instead */
	SKS_GUARDED = 5,   /* where it was bound: leads to SKS_DEST_GUARD */
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
	__u32 spec; /* SKS_FROM_SPEC: counts while sks_owner.spec is the same */
	__u8 reserved[4];
};

/*
 * The ports that are taken, of all namespaces in one trie (bpf/claims.bpf.c): a claim is longer the
 * fewer ports and addresses it is for. One that ends behind the cookie says that the namespace has
 * any; one within the port is for the whole block of ports, one behind it for every address.
 */
#define SKS_MAX_CLAIMS	 (1u << 20)
#define SKS_SPACE_CLAIMS (1u << 18) /* of one namespace */
#define SKS_CLAIM_SPACE	 64u	    /* bits of a key: up to here, the cookie */
#define SKS_CLAIM_PORT	 96u	    /* up to here, protocol, kind and port */
#define SKS_CLAIM_V4	 SKS_V4	    /* kinds */
#define SKS_CLAIM_V6	 SKS_V6
#define SKS_CLAIM_SOME	 2u /* + family: somebody has prefixes there, so a wildcard bind meets them */

struct sks_claim_key {
	__u32 prefixlen;
	__u32 netns[2]; /* the cookie's halves */
	__u32 what;	/* four bytes as in memory: protocol, kind, the port's high and low */
	__u32 addr[4];	/* on the wire; IPv4 in addr[0], the rest 0 */
};

#define SKS_CLAIM_NOBODYS 1u /* the namespace's: uid is ip_local_port_range, last << 16 | first */
#define SKS_CLAIM_SEVERAL 2u /* more than one user's: no one may bind there */
#define SKS_CLAIM_FIRM	  4u /* outside of ip_local_port_range: bind(2) to port 0 never draws it */

struct sks_claim {
	__u32 uid; /* whose bind(2) goes on */
	__u32 flags;
};

/*
 * bind(2) that the helper calls for a user's socket is judged as that user's. Precisely that one: a
 * thread of whoever has the socket may call another meanwhile.
 */
struct sks_ward {
	__u32 uid;
	__u32 tries; /* 1: it gets no port, but ECANCELED where it would have it */
	__u32 proto; /* IPPROTO_... */
	__u32 port;  /* network order */
	__u32 v6;    /* addr is that of an AF_INET6 name */
	__u32 addr[4];
};
#define SKS_MAX_WARDS 512 /* sockets that the helper may be binding: see helper/stranger.c */

_Static_assert(sizeof(struct sks_head) == 64, "map layout");
_Static_assert(sizeof(struct sks_claim_key) == 32, "map layout");
_Static_assert(sizeof(struct sks_claim) == 8, "map layout");
_Static_assert(sizeof(struct sks_ward) == 36, "map layout");
_Static_assert(sizeof(struct sks_rule4) == 32, "map layout");
_Static_assert(sizeof(struct sks_rule6) == 192, "map layout");
_Static_assert(sizeof(struct sks_trie_key) == 24, "map layout");
_Static_assert(sizeof(struct sks_dest) == 64, "map layout");
_Static_assert(sizeof(struct sks_slot) == 64, "map layout");
_Static_assert(sizeof(struct sks_counter) == 48, "map layout");
_Static_assert(sizeof(struct sks_group) == 512, "map layout");
_Static_assert(sizeof(struct sks_owner) == 48, "map layout");
_Static_assert(sizeof(struct sks_service) == 368, "map layout");
_Static_assert(sizeof(struct sks_binding) == 64, "map layout");

#endif
