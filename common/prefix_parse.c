/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how an address or a prefix is read, and what is said to whoever spelt it otherwise. */
#include "prefix.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "text.h"

#define NOT_AN_ADDRESS "not an IPv4 address, nor an IPv6 address in brackets"

static int refuse(struct sks_text *why, const char *reason)
{
	sks_text_str(why, reason);
	return -EINVAL;
}

/* Refuses, and shows what to write instead. */
static int refuse_for(struct sks_text *why, const char *reason, const struct sks_prefix *better)
{
	char buf[SKS_PREFIX_STRLEN];

	sks_text_str(why, reason);
	sks_text_str(why, sks_prefix_format(better, buf));
	return -EINVAL;
}

static void clear_host_bits(struct sks_prefix *prefix)
{
	for (unsigned int bit = prefix->len; bit < 8 * sizeof(prefix->addr); bit++)
		prefix->addr[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
}

/* An address without brackets and length, as a prefix of full length. */
static bool read_host(const char *s, size_t len, uint8_t family, struct sks_prefix *ret)
{
	char host[INET6_ADDRSTRLEN];

	*ret = (struct sks_prefix){ .family = family, .len = (uint8_t)sks_family_bits(family) };
	if (len >= sizeof(host) || memchr(s, '\0', len))
		return false;
	memcpy(host, s, len);
	host[len] = '\0';
	return inet_pton(family, host, ret->addr) == 1;
}

static const char *why_no_host(const char *s, size_t len, uint8_t family)
{
	if (family == AF_INET6)
		return "not an IPv6 address";
	for (size_t i = 0; i + 1 < len; i++) {
		bool starts = i == 0 || s[i - 1] == '.';

		if (starts && s[i] == '0' && s[i + 1] >= '0' && s[i + 1] <= '9')
			return "an IPv4 address is written without leading zeros";
	}
	return NOT_AN_ADDRESS;
}

static bool read_len(const char *s, size_t len, struct sks_prefix *prefix)
{
	uint32_t n;

	if (sks_uint_parse(s, len, sks_family_bits(prefix->family), &n) < 0)
		return false;
	prefix->len = (uint8_t)n;
	return true;
}

/* What stands in brackets, or would for IPv4. NULL, or the reason why it is no prefix. */
static const char *read_prefix(const char *s, size_t len, uint8_t family, struct sks_prefix *ret,
			       bool *ret_has_len)
{
	const char *slash = memchr(s, '/', len);
	size_t host_len = slash ? (size_t)(slash - s) : len;

	*ret_has_len = slash;
	if (!read_host(s, host_len, family, ret))
		return why_no_host(s, host_len, family);
	if (slash && !read_len(slash + 1, len - host_len - 1, ret)) {
		return family == AF_INET6 ? "an IPv6 prefix has a length from 0 to 128"
					  : "an IPv4 prefix has a length from 0 to 32";
	}
	return NULL;
}

/* IPv6 with its length behind the brackets, or with no brackets at all, is shown in its own. */
static int refuse_shape(const char *s, size_t len, struct sks_text *why)
{
	const char *close = memchr(s, ']', len);
	struct sks_prefix prefix;
	bool has_len;

	if (s[0] != '[') {
		if (read_prefix(s, len, AF_INET6, &prefix, &has_len))
			return refuse(why, NOT_AN_ADDRESS);
		clear_host_bits(&prefix);
		return refuse_for(why, "IPv6 stands in brackets: write ", &prefix);
	}
	if (!close)
		return refuse(why, "its bracket is not closed");
	if (close[1] != '/')
		return refuse(why, "something stands between its bracket and the next colon");
	if (!read_host(s + 1, (size_t)(close - s - 1), AF_INET6, &prefix) ||
	    !read_len(close + 2, (size_t)(s + len - close - 2), &prefix))
		return refuse(why, "the length stands inside the brackets, as in [2001:db8::/32]");
	clear_host_bits(&prefix);
	return refuse_for(why, "the length stands inside the brackets: write ", &prefix);
}

/* A socket takes such an address for IPv4, so that a binding to it as IPv6 would never match. */
static int refuse_mapped(const struct sks_prefix *prefix, struct sks_text *why)
{
	static const struct sks_prefix mapped = { .family = AF_INET6,
						  .len = 96,
						  .addr = { [10] = 0xff, [11] = 0xff } };
	struct sks_prefix ipv4 = { .family = AF_INET };

	if (!sks_prefix_contains(&mapped, prefix))
		return 0;
	ipv4.len = (uint8_t)(prefix->len - mapped.len);
	memcpy(ipv4.addr, prefix->addr + 12, 4);
	clear_host_bits(&ipv4);
	return refuse_for(why, "IPv4-mapped: write ", &ipv4);
}

/* Any address or prefix, the length of which the caller judges; without one it is full. */
static int parse(const char *s, size_t len, struct sks_prefix *ret, bool *ret_has_len,
		 struct sks_text *why)
{
	uint8_t family = AF_INET;
	const char *reason;

	if (len == 0)
		return refuse(why, "an address is missing");
	if (s[0] == '[' && memchr(s, ']', len) == s + len - 1) {
		family = AF_INET6;
		s++;
		len -= 2;
	} else if (s[0] == '[' || memchr(s, ':', len)) {
		return refuse_shape(s, len, why);
	}
	reason = read_prefix(s, len, family, ret, ret_has_len);
	if (reason)
		return refuse(why, reason);
	return refuse_mapped(ret, why);
}

static bool is_wildcard(const struct sks_prefix *prefix)
{
	static const uint8_t wildcard[16];

	return memcmp(prefix->addr, wildcard, sizeof(wildcard)) == 0;
}

/* What goes to many runs no program, whoever it was meant for. */
static bool is_multicast(const struct sks_prefix *prefix)
{
	if (prefix->family == AF_INET6)
		return prefix->len >= 8 && prefix->addr[0] == 0xff;
	return (prefix->len >= 4 && (prefix->addr[0] & 0xf0) == 0xe0) ||
	       (prefix->len == 32 && !memcmp(prefix->addr, "\xff\xff\xff\xff", 4));
}

int sks_prefix_parse(const char *s, size_t len, struct sks_prefix *ret_prefix,
		     char why[SKS_PREFIX_WHYLEN])
{
	struct sks_prefix prefix;
	struct sks_text text;
	bool has_len;
	int r;

	sks_text_init(&text, why, SKS_PREFIX_WHYLEN);
	r = parse(s, len, &prefix, &has_len, &text);
	if (r < 0)
		return r;
	if (is_wildcard(&prefix) && prefix.len == sks_family_bits(prefix.family)) {
		prefix.len = 0;
		return refuse_for(&text, "names no address: write any, or ", &prefix);
	}
	if (!sks_prefix_is_canonical(&prefix)) {
		clear_host_bits(&prefix);
		return refuse_for(&text, "has bits beyond its length: write ", &prefix);
	}
	if (is_multicast(&prefix))
		return refuse(&text, "multicast and broadcast are never steered");
	*ret_prefix = prefix;
	return 0;
}

int sks_address_parse(const char *s, size_t len, struct sks_prefix *ret_addr,
		      char why[SKS_PREFIX_WHYLEN])
{
	struct sks_prefix addr;
	struct sks_text text;
	bool has_len;
	int r;

	sks_text_init(&text, why, SKS_PREFIX_WHYLEN);
	r = parse(s, len, &addr, &has_len, &text);
	if (r < 0)
		return r;
	if (has_len)
		return refuse(&text, "a listener has one address, not a prefix");
	if (is_wildcard(&addr))
		addr.len = 0;
	*ret_addr = addr;
	return 0;
}
