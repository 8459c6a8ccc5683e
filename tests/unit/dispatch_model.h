/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the naive model of dispatch_test.c: what a packet deserves, found by looking at every
 * binding. Written from the words of the contract and sharing no code with the helper.
 */
#ifndef SKSTEER_DISPATCH_MODEL_H
#define SKSTEER_DISPATCH_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "../../common/maps.h"
#include "../../common/prefix.h"
#include "../../common/spec.h"

#define M_SERVICES  5
#define M_LISTENERS 20
#define M_SOCKETS   4
#define M_BINDINGS  256
#define M_ELSEWHERE 1 /* an interface on which no packet of the test comes in */

/* M_SILENT: open, but takes nothing (a connected UDP socket, a shut down listener). */
enum m_state { M_OPEN, M_SILENT, M_CLOSED };

struct m_socket {
	int fd;
	uint32_t slot; /* its record's number */
	uint64_t cookie;
	uint8_t families; /* SKS_SERVES_... */
	enum m_state state;
	bool fresh; /* it came with the change under way */
};

/* What one service has at one address and port. */
struct m_listener {
	bool used;
	uint8_t service, proto;
	uint8_t families;	/* SKS_SERVES_...: of all sockets that it ever had */
	uint8_t up;		/* of those that it had when the last change was made */
	struct sks_prefix addr; /* length 0: wildcard */
	uint16_t port;
	uint32_t ifindex; /* 0, or M_ELSEWHERE */
	uint32_t age;	  /* epoch of birth */
	uint16_t dest;	  /* its record's number */
	unsigned int n;
	struct m_socket sockets[M_SOCKETS]; /* the newest last; closed ones until they are swept */
};

struct m_binding {
	bool used, left_out, all;
	bool by_hand; /* made by sksteerctl, which names no listener */
	uint8_t service, proto;
	enum sks_where where;
	struct sks_prefix prefix;
	uint16_t first, last;
	uint16_t listener_port; /* 0: the first listener */
	struct sks_prefix listener_addr;
	uint32_t age;	 /* epoch of birth */
	uint32_t record; /* its record's number */
};

struct model {
	bool alive[M_SERVICES];
	uint16_t number[M_SERVICES]; /* of its record */
	uint16_t first_port[M_SERVICES][2];
	struct m_listener listeners[M_LISTENERS];
	struct m_binding bindings[M_BINDINGS];
};

struct m_packet {
	uint8_t proto, family; /* SKS_TCP or SKS_UDP, SKS_V4 or SKS_V6 */
	uint8_t addr[16];
	uint16_t port;
};

/* M_TIE: nothing says which of two bindings of the same change wins. */
enum m_kind { M_PASS, M_DROP, M_SOCKET, M_TIE };

/* A binding's word for a packet: the fewer, the better, from the first member on. */
struct m_claim {
	uint32_t host_bits, width, first, age;
	const struct m_listener *listener; /* NULL: no claim */
};

struct m_verdict {
	enum m_kind kind;
	uint64_t cookie;      /* of M_SOCKET */
	struct m_claim claim; /* that has won */
};

static inline uint8_t m_family(unsigned int family)
{
	return family == SKS_V6 ? AF_INET6 : AF_INET;
}

static inline bool m_covers(const struct sks_prefix *prefix, uint8_t family, const uint8_t *addr)
{
	if (prefix->family != family)
		return false;
	for (unsigned int bit = 0; bit < prefix->len; bit++) {
		if ((prefix->addr[bit / 8] ^ addr[bit / 8]) >> (7 - bit % 8) & 1)
			return false;
	}
	return true;
}

/*
 * Does the clause's listener mean this one? 0.0.0.0 is an IPv4 socket; [::] an IPv6 one, with IPv4
 * where it is dual-stack.
 */
static inline bool m_is_named(const struct m_binding *b, const struct m_listener *l,
			      unsigned int family)
{
	const struct sks_prefix *named = &b->listener_addr;

	if (l->port != b->listener_port)
		return false;
	if (named->family == AF_UNSPEC)
		return true;
	if (named->len || l->addr.len)
		return named->len && l->addr.len && named->family == l->addr.family &&
		       !memcmp(named->addr, l->addr.addr, sizeof(named->addr));
	if (named->family == AF_INET)
		return family == SKS_V4 && l->families & SKS_SERVES_AS_V4;
	return family == SKS_V6 || l->families & SKS_SERVES_AS_V6;
}

/* Does the binding's clause speak of this listener, as far as this family goes? */
static inline bool m_speaks_of(const struct model *m, const struct m_binding *b,
			       const struct m_listener *l, unsigned int family)
{
	if (!l->used || l->service != b->service || l->proto != b->proto ||
	    !(l->families >> family & 1))
		return false;
	if (!b->listener_port)
		return l->port == m->first_port[b->service][b->proto];
	return m_is_named(b, l, family);
}

/* The listeners that could serve the binding: those that are there, or if none is, that were. */
static inline unsigned int m_candidates(const struct model *m, const struct m_binding *b,
					unsigned int family,
					const struct m_listener *ret[M_LISTENERS])
{
	bool up = false;
	unsigned int n = 0;

	for (unsigned int i = 0; i < M_LISTENERS; i++)
		up |= m_speaks_of(m, b, &m->listeners[i], family) &&
		      m->listeners[i].up >> family & 1;
	for (unsigned int i = 0; i < M_LISTENERS; i++) {
		const struct m_listener *l = &m->listeners[i];

		if (m_speaks_of(m, b, l, family) && (!up || l->up >> family & 1))
			ret[n++] = l;
	}
	return n;
}

/*
 * Of those on one interface (0: of those on all): "the wildcard one, else the one whose address
 * lies inside where", else the only one; the oldest of several, which is an error in a spec that is
 * being judged. NULL: none.
 */
static inline const struct m_listener *m_server(const struct model *m, const struct m_binding *b,
						unsigned int family, uint32_t ifindex,
						bool *ret_ambiguous)
{
	const struct m_listener *candidates[M_LISTENERS], *best = NULL;
	unsigned int n = m_candidates(m, b, family, candidates), n_best = 0, best_rank = 0;

	for (unsigned int i = 0; i < n; i++) {
		const struct m_listener *l = candidates[i];
		bool inside = b->where == SKS_WHERE_ANY ||
			      m_covers(&b->prefix, l->addr.family, l->addr.addr);
		unsigned int rank = !l->addr.len ? 3 : inside ? 2 : 1;

		if (l->ifindex != ifindex)
			continue;
		if (rank > best_rank) {
			best_rank = rank;
			n_best = 0;
		}
		if (rank < best_rank)
			continue;
		if (!n_best++ || l->age < best->age)
			best = l;
	}
	*ret_ambiguous = n_best > 1 && !b->by_hand;
	return best;
}

static inline bool m_is_undecided(const struct model *m, const struct m_binding *b,
				  unsigned int family)
{
	bool here = false, elsewhere = false;

	if (b->where != SKS_WHERE_ANY && b->prefix.family != m_family(family))
		return false;
	(void)m_server(m, b, family, 0, &here);
	(void)m_server(m, b, family, M_ELSEWHERE, &elsewhere);
	return here || elsewhere;
}

/* Would the service's spec be refused because several sockets could serve a clause? */
static inline bool m_is_ambiguous(const struct model *m, unsigned int service)
{
	for (unsigned int i = 0; i < M_BINDINGS; i++) {
		const struct m_binding *b = &m->bindings[i];

		if (!b->used || b->left_out || b->service != service ||
		    b->where == SKS_WHERE_LISTENER)
			continue;
		if (m_is_undecided(m, b, SKS_V4) || m_is_undecided(m, b, SKS_V6))
			return true;
	}
	return false;
}

/* Wide ranges do, and ranges where a new namespace draws ports for clients (ip-sysctl). */
static inline bool m_yields(const struct m_binding *b, uint16_t port)
{
	return b->all || b->last - b->first + 1 > 1024 ||
	       (b->last > b->first && port >= 32768 && port <= 60999);
}

static inline bool m_is_left_out(const struct model *m, const struct m_binding *b, uint16_t port)
{
	if (!m_yields(b, port))
		return false;
	for (unsigned int i = 0; i < M_BINDINGS; i++) {
		const struct m_binding *left = &m->bindings[i];

		if (left->used && left->left_out && left->service == b->service &&
		    left->proto == b->proto && port >= left->first && port <= left->last)
			return true;
	}
	return false;
}

/* < 0: a is better; 0: nothing tells them apart. */
static inline int m_compare(const struct m_claim *a, const struct m_claim *b)
{
	const uint32_t of_a[] = { a->host_bits, a->width, a->first, a->age };
	const uint32_t of_b[] = { b->host_bits, b->width, b->first, b->age };

	for (unsigned int i = 0; i < 4; i++) {
		if (of_a[i] != of_b[i])
			return of_a[i] < of_b[i] ? -1 : 1;
	}
	return 0;
}

static inline void m_claim(const struct m_binding *b, uint8_t len, const struct m_listener *l,
			   struct m_claim *best, bool *tie)
{
	struct m_claim claim = {
		.host_bits = 128u - len, /* only packets of one family are ever compared */
		.width = b->all ? 65536u : b->last - b->first + 1u,
		.first = b->first,
		.age = b->age,
		.listener = l,
	};
	int order = best->listener ? m_compare(&claim, best) : -1;

	if (order == 0 && best->listener != l)
		*tie = true;
	if (order < 0) {
		*best = claim;
		*tie = false;
	}
}

static inline void m_claims(const struct model *m, const struct m_binding *b,
			    const struct m_packet *p, struct m_claim *best, bool *tie)
{
	uint8_t family = m_family(p->family);
	const struct m_listener *candidates[M_LISTENERS], *server;
	unsigned int n;
	bool ambiguous;

	if (b->where != SKS_WHERE_LISTENER) {
		if (b->where == SKS_WHERE_PREFIX && !m_covers(&b->prefix, family, p->addr))
			return;
		server = m_server(m, b, p->family, 0, &ambiguous);
		if (server)
			m_claim(b, b->where == SKS_WHERE_ANY ? 0 : b->prefix.len, server, best,
				tie);
		return;
	}
	n = m_candidates(m, b, p->family, candidates);
	for (unsigned int i = 0; i < n; i++) {
		const struct m_listener *l = candidates[i];

		if (l->port && !l->ifindex && (!l->addr.len || m_covers(&l->addr, family, p->addr)))
			m_claim(b, l->addr.len, l, best, tie);
	}
}

/*
 * The newest socket that takes packets of the family. A datagram to the server's own port may be
 * for a socket that the kernel knows, where one of ours takes nothing any more.
 */
static inline struct m_verdict m_serve(const struct m_listener *l, const struct m_packet *p)
{
	bool silent = false;

	for (unsigned int i = l->n; i-- > 0;) {
		const struct m_socket *s = &l->sockets[i];

		if (!(s->families >> p->family & 1))
			continue;
		if (s->state == M_OPEN)
			return (struct m_verdict){ .kind = M_SOCKET, .cookie = s->cookie };
		silent |= s->state == M_SILENT;
	}
	if (p->proto == SKS_UDP && p->port == l->port && silent)
		return (struct m_verdict){ .kind = M_PASS };
	return (struct m_verdict){ .kind = M_DROP };
}

static inline struct m_verdict model_verdict(const struct model *m, const struct m_packet *p)
{
	struct m_verdict verdict = { .kind = M_PASS };
	struct m_claim best = {};
	bool tie = false;

	for (unsigned int i = 0; i < M_BINDINGS; i++) {
		const struct m_binding *b = &m->bindings[i];

		if (b->used && !b->left_out && b->proto == p->proto && p->port >= b->first &&
		    p->port <= b->last && !m_is_left_out(m, b, p->port))
			m_claims(m, b, p, &best, &tie);
	}
	if (tie)
		return (struct m_verdict){ .kind = M_TIE };
	if (best.listener)
		verdict = m_serve(best.listener, p);
	verdict.claim = best;
	return verdict;
}

#endif
