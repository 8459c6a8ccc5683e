/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what a prefix is: its comparisons, its spelling, and how a socket address becomes one. */
#include "prefix.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "text.h"

unsigned int sks_family_bits(uint8_t family)
{
	switch (family) {
	case AF_INET:
		return 32;
	case AF_INET6:
		return 128;
	default:
		return 0;
	}
}

bool sks_prefix_equal(const struct sks_prefix *a, const struct sks_prefix *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* len <= 128 */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned int len)
{
	unsigned int bytes = len / 8, bits = len % 8;

	if (memcmp(a, b, bytes) != 0)
		return false;
	return bits == 0 || (a[bytes] ^ b[bytes]) >> (8 - bits) == 0;
}

bool sks_prefix_contains(const struct sks_prefix *outer, const struct sks_prefix *inner)
{
	if (outer->family == AF_UNSPEC || outer->family != inner->family)
		return false;
	if (outer->len > inner->len || outer->len > sks_family_bits(outer->family))
		return false;
	return same_bits(outer->addr, inner->addr, outer->len);
}

bool sks_prefix_intersects(const struct sks_prefix *a, const struct sks_prefix *b)
{
	return sks_prefix_contains(a, b) || sks_prefix_contains(b, a);
}

bool sks_prefix_is_canonical(const struct sks_prefix *p)
{
	unsigned int bytes = p->len / 8, bits = p->len % 8;

	if (p->family != AF_UNSPEC && sks_family_bits(p->family) == 0)
		return false;
	if (p->len > sks_family_bits(p->family))
		return false;
	if (bits && (uint8_t)(p->addr[bytes++] << bits))
		return false;
	for (; bytes < sizeof(p->addr); bytes++) {
		if (p->addr[bytes])
			return false;
	}
	return true;
}

static void set_place(struct sks_prefix *place, uint8_t family, const void *addr)
{
	static const uint8_t wildcard[16];
	unsigned int bits = sks_family_bits(family);

	*place = (struct sks_prefix){ .family = family };
	memcpy(place->addr, addr, bits / 8);
	if (memcmp(place->addr, wildcard, sizeof(wildcard)) != 0)
		place->len = (uint8_t)bits;
}

int sks_prefix_from_sockaddr(const struct sockaddr *sa, size_t len, struct sks_prefix *ret_addr,
			     uint16_t *ret_port)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	/* The kernel does without sin6_scope_id (RFC 2133), so there are programs that do. */
	const size_t in6_min = offsetof(struct sockaddr_in6, sin6_scope_id);
	sa_family_t family;

	if (len < offsetof(struct sockaddr, sa_family) + sizeof(family))
		return -EINVAL;
	/* Copied, not cast: the address is another program's, and its alignment with it. */
	memcpy(&family, (const char *)sa + offsetof(struct sockaddr, sa_family), sizeof(family));
	switch (family) {
	case AF_INET:
		if (len < sizeof(in))
			return -EINVAL;
		memcpy(&in, sa, sizeof(in));
		set_place(ret_addr, AF_INET, &in.sin_addr);
		*ret_port = ntohs(in.sin_port);
		return 0;
	case AF_INET6:
		if (len < in6_min)
			return -EINVAL;
		memcpy(&in6, sa, in6_min);
		if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
			set_place(ret_addr, AF_INET, &in6.sin6_addr.s6_addr[12]);
		else
			set_place(ret_addr, AF_INET6, &in6.sin6_addr);
		*ret_port = ntohs(in6.sin6_port);
		return 0;
	default:
		return -EAFNOSUPPORT;
	}
}

static void put_ipv4(struct sks_text *text, const uint8_t *addr)
{
	for (int i = 0; i < 4; i++) {
		if (i)
			sks_text_char(text, '.');
		sks_text_uint(text, addr[i]);
	}
}

/* The first of the longest runs of zero groups: RFC 5952 spells it "::" if it is two or more. */
static int longest_zero_run(const uint16_t group[8], int *ret_start)
{
	int best = 1;

	*ret_start = -1;
	for (int i = 0; i < 8; i++) {
		int n = 0;

		while (i + n < 8 && group[i + n] == 0)
			n++;
		if (n > best) {
			best = n;
			*ret_start = i;
		}
	}
	return best;
}

static void put_ipv6(struct sks_text *text, const uint8_t *addr)
{
	uint16_t group[8];
	int start, run;

	for (int i = 0; i < 8; i++)
		group[i] = (uint16_t)(addr[2 * i] << 8 | addr[2 * i + 1]);
	run = longest_zero_run(group, &start);
	for (int i = 0; i < 8; i++) {
		if (i == start) {
			sks_text_str(text, "::");
			i += run - 1;
			continue;
		}
		if (i && i != start + run)
			sks_text_char(text, ':');
		sks_text_hex(text, group[i]);
	}
}

char *sks_prefix_format(const struct sks_prefix *p, char buf[SKS_PREFIX_STRLEN])
{
	struct sks_text text;

	sks_text_init(&text, buf, SKS_PREFIX_STRLEN);
	if (p->family == AF_UNSPEC)
		return buf;
	if (p->family == AF_INET6) {
		sks_text_char(&text, '[');
		put_ipv6(&text, p->addr);
	} else {
		put_ipv4(&text, p->addr);
	}
	if (p->len != sks_family_bits(p->family)) {
		sks_text_char(&text, '/');
		sks_text_uint(&text, p->len);
	}
	if (p->family == AF_INET6)
		sks_text_char(&text, ']');
	return buf;
}
