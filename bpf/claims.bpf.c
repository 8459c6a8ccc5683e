// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns the refusal of bind(2) to a port that is another user's: attached to the root of the
 * cgroups, so it sees every bind of the machine, whichever the namespace. What connect(2) and
 * listen(2) draw by themselves never comes along here.
 *
 * Asked twice. Before, where it is known which port was asked for; and after the kernel has taken
 * the port: a bind that began before the claim was there is refused then, or was complete before,
 * so that whoever claims finds it in the kernel's list of sockets.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "../common/maps.h"

#define ALLOW	   1
#define REFUSE	   0
#define EINVAL	   22
#define EADDRINUSE 98
#define ECANCELED  125

/* What this kernel lacks is false, so that the verifier never looks there. */
const volatile _Bool sets_errno = 1;   /* bpf_set_retval(), 5.18: else it is EPERM */
const volatile _Bool keeps_asked = 1;  /* storage of a socket, 5.9 */
const volatile _Bool reads_v6only = 1; /* the kernel's own struct sock, with CAP_PERFMON */
const volatile _Bool reads_late = 1;   /* in the second look as well; not in a locked-down kernel */

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SKS_MAX_CLAIMS);
	__type(key, struct sks_claim_key);
	__type(value, struct sks_claim);
} claims SEC(".maps");

/* What the first look leaves for the second. */
struct asked {
	__u32 port;   /* network order; 0: the kernel draws one */
	__u32 v6only; /* an IPv6 wildcard address is not IPv4's too */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct asked);
} asked_for SEC(".maps");

/*
 * Sockets, by cookie, that the helper binds for a user, which, and where: judged as that user's. In
 * it as long as that may take, as who owns a socket may have others wait for its lock.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SKS_MAX_WARDS);
	__type(key, __u64);
	__type(value, struct sks_ward);
} wards SEC(".maps");

struct sock_common {
	unsigned char skc_ipv6only : 1;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
} __attribute__((preserve_access_index));

/* One bind. */
struct bind {
	struct sks_claim_key key; /* netns and addr are set */
	__u32 proto;		  /* IPPROTO_... */
	__u32 port;		  /* network order */
	__u32 uid;
	__u32 v6;     /* addr is IPv6 */
	__u32 v6only; /* [::] without IPv4 */
	__u32 firm;   /* only claims that no drawn port can meet */
	__u32 drawn;  /* the kernel may draw this port by itself */
};

/* NULL: it is judged as whoever calls. Before the address is undressed. */
static __always_inline const struct sks_ward *ward_of(__u64 cookie, const struct bind *bind)
{
	const struct sks_ward *ward = bpf_map_lookup_elem(&wards, &cookie);

	if (!ward || ward->proto != bind->proto || ward->port != bind->port ||
	    ward->v6 != bind->v6 || ward->addr[0] != bind->key.addr[0] ||
	    ward->addr[1] != bind->key.addr[1] || ward->addr[2] != bind->key.addr[2] ||
	    ward->addr[3] != bind->key.addr[3])
		return NULL;
	return ward;
}

static __always_inline __u32 uid_of(const struct sks_ward *ward)
{
	return ward ? ward->uid : (__u32)bpf_get_current_uid_gid();
}

static __always_inline __u32 what(const struct bind *bind, __u32 kind)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return bind->proto | kind << 8 | bind->port << 16;
#else
	return bind->proto << 24 | kind << 16 | bind->port;
#endif
}

static __always_inline int is_taken(struct bind *bind, __u32 kind, __u32 prefixlen)
{
	const struct sks_claim *claim;

	bind->key.prefixlen = prefixlen;
	bind->key.what = what(bind, kind);
	claim = bpf_map_lookup_elem(&claims, &bind->key);
	if (!claim || claim->flags & SKS_CLAIM_NOBODYS)
		return 0;
	if (bind->firm && !(claim->flags & SKS_CLAIM_FIRM))
		return 0;
	return claim->flags & SKS_CLAIM_SEVERAL || claim->uid != bind->uid;
}

static __always_inline int is_any_taken(struct bind *bind, __u32 family)
{
	return is_taken(bind, family, SKS_CLAIM_PORT) ||
	       is_taken(bind, SKS_CLAIM_SOME + family, SKS_CLAIM_PORT);
}

/* An IPv4 address in IPv6's clothes is IPv4. */
static __always_inline void undress(struct bind *bind)
{
	__u32 *addr = bind->key.addr;

	if (addr[0] || addr[1] || addr[2] != bpf_htonl(0xffff))
		return;
	addr[0] = addr[3];
	addr[2] = addr[3] = 0;
	bind->v6 = 0;
}

/* A function, so that the programs stay small. */
static __attribute__((noinline)) int meets_claim(struct bind *bind)
{
	__u32 *addr;

	if (bind->v6)
		undress(bind);
	addr = bind->key.addr;
	if (!bind->v6)
		return addr[0] ? is_taken(bind, SKS_CLAIM_V4, SKS_CLAIM_PORT + 32)
			       : is_any_taken(bind, SKS_CLAIM_V4);
	if (addr[0] | addr[1] | addr[2] | addr[3])
		return is_taken(bind, SKS_CLAIM_V6, SKS_CLAIM_PORT + 128);
	return is_any_taken(bind, SKS_CLAIM_V6) ||
	       (!bind->v6only && is_any_taken(bind, SKS_CLAIM_V4));
}

static __always_inline int refuse(int err)
{
	if (sets_errno)
		bpf_set_retval(-err);
	return REFUSE;
}

/* Does the namespace have any claims? Most have none, and cost this one look. */
static __always_inline int has_claims(struct bind *bind, __u64 netns)
{
	const struct sks_claim *space;
	__u32 port = bpf_ntohs(bind->port);

	bind->key.prefixlen = SKS_CLAIM_SPACE;
	bind->key.netns[0] = (__u32)netns;
	bind->key.netns[1] = netns >> 32;
	space = bpf_map_lookup_elem(&claims, &bind->key);
	if (!space)
		return 0;
	bind->drawn = !port || (port >= (space->uid & 0xffff) && port <= space->uid >> 16);
	return 1;
}

static __always_inline int is_ours(__u32 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP;
}

/* 1 where it can't be told: who binds both families gets nothing of what is steered in either. */
static __always_inline __u32 is_v6only(struct bpf_sock *sk, __u32 proto)
{
	const struct sock *sock;

	if (!reads_v6only)
		return 1;
	sock = proto == IPPROTO_TCP ? (void *)bpf_skc_to_tcp6_sock(sk)
				    : (void *)bpf_skc_to_udp6_sock(sk);
	return sock ? BPF_CORE_READ_BITFIELD(sock, __sk_common.skc_ipv6only) : 1;
}

/*
 * As it is now: between the looks the socket's lock is let go, and another thread may change it. A
 * program of this kind has the struct sock itself as its context.
 */
static __always_inline __u32 is_v6only_now(struct bpf_sock *ctx)
{
	const struct sock *sock = (void *)ctx;

	return BPF_CORE_READ_BITFIELD_PROBED(sock, __sk_common.skc_ipv6only);
}

/* Where the second look could not tell by itself; a socket that failed here once has it. */
static __always_inline void keep_asked(struct bpf_sock *sk, const struct bind *bind)
{
	__u64 flags = bind->drawn || (!reads_late && !bind->v6only) ? BPF_SK_STORAGE_GET_F_CREATE
								    : 0;
	struct asked *asked;

	if (!keeps_asked)
		return;
	asked = bpf_sk_storage_get(&asked_for, sk, NULL, flags);
	if (!asked)
		return;
	asked->port = bind->port;
	asked->v6only = bind->v6only;
}

static __always_inline int before(struct bpf_sock_addr *ctx, struct bind *bind)
{
	struct bpf_sock *sk = ctx->sk;

	bind->proto = ctx->protocol;
	bind->port = ctx->user_port & 0xffff;
	if (!sk || !is_ours(bind->proto) || !has_claims(bind, bpf_get_netns_cookie(ctx)))
		return ALLOW;
	bind->v6only = !bind->v6 || is_v6only(sk, bind->proto);
	keep_asked(sk, bind);
	if (!bind->port)
		return ALLOW;
	bind->uid = uid_of(ward_of(bpf_get_socket_cookie(ctx), bind));
	if (!meets_claim(bind))
		return ALLOW;
	/* It has one already, as the kernel would say; but until then it may be let go of. */
	return refuse(sk->src_port ? EINVAL : EADDRINUSE);
}

static __always_inline int after(struct bpf_sock *ctx, struct bind *bind)
{
	struct asked *asked = NULL;
	const struct sks_ward *ward;
	int tries;

	bind->proto = ctx->protocol;
	bind->port = bpf_htons(ctx->src_port);
	if (!is_ours(bind->proto) || !has_claims(bind, bpf_get_netns_cookie(ctx)))
		return ALLOW;
	bind->v6only = !bind->v6 || !reads_late || is_v6only_now(ctx);
	bind->firm = 1;
	if (keeps_asked)
		asked = bpf_sk_storage_get(&asked_for, ctx, NULL, 0);
	if (asked) {
		if (!asked->port)
			return ALLOW;
		if (!reads_late)
			bind->v6only = asked->v6only;
		bind->firm = 0;
	}
	ward = ward_of(bpf_get_socket_cookie(ctx), bind);
	bind->uid = uid_of(ward);
	tries = ward && ward->tries;
	if (meets_claim(bind))
		return refuse(EADDRINUSE);
	return tries ? refuse(ECANCELED) : ALLOW;
}

SEC("cgroup/bind4")
int sks_bind4(struct bpf_sock_addr *ctx)
{
	struct bind bind = { .key.addr = { ctx->user_ip4 } };

	return before(ctx, &bind);
}

SEC("cgroup/bind6")
int sks_bind6(struct bpf_sock_addr *ctx)
{
	struct bind bind = { .key.addr = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
					   ctx->user_ip6[3] },
			     .v6 = 1 };

	return before(ctx, &bind);
}

SEC("cgroup/post_bind4")
int sks_post4(struct bpf_sock *ctx)
{
	struct bind bind = { .key.addr = { ctx->src_ip4 } };

	return after(ctx, &bind);
}

SEC("cgroup/post_bind6")
int sks_post6(struct bpf_sock *ctx)
{
	struct bind bind = { .key.addr = { ctx->src_ip6[0], ctx->src_ip6[1], ctx->src_ip6[2],
					   ctx->src_ip6[3] },
			     .v6 = 1 };

	return after(ctx, &bind);
}

char _license[] SEC("license") = "Dual BSD/GPL";
