/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the address prefix: what an address, a destination and a listener's place have in common. */
#ifndef SKSTEER_PREFIX_H
#define SKSTEER_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define SKS_PREFIX_STRLEN 64 /* "[" + INET6_ADDRSTRLEN + "/128]" + NUL fits */

/*
 * family is AF_INET, AF_INET6, or AF_UNSPEC for "no prefix". IPv4 keeps its address in addr[0..3];
 * all other bytes are zero, so two prefixes are equal when their bytes are. Network byte order.
 * As a listener's place the length is full, or 0 for the wildcard address of the family.
 */
struct sks_prefix {
	uint8_t family;
	uint8_t len;
	uint8_t addr[16];
};
_Static_assert(sizeof(struct sks_prefix) == 18, "part of the map contract");

/* 32, 128, or 0 for AF_UNSPEC. */
unsigned int sks_family_bits(uint8_t family);
bool sks_prefix_equal(const struct sks_prefix *a, const struct sks_prefix *b);
/* True when every address of inner lies in outer, which takes the same family; "no prefix": false. */
bool sks_prefix_contains(const struct sks_prefix *outer, const struct sks_prefix *inner);
/* True when the two share an address. */
bool sks_prefix_intersects(const struct sks_prefix *a, const struct sks_prefix *b);
/* True when the family is known, the length fits it and no bit beyond the length is set. */
bool sks_prefix_is_canonical(const struct sks_prefix *p);

/*
 * The address and port of an AF_INET or AF_INET6 socket as a full-length prefix and a port in host
 * order; IPv4-mapped IPv6 becomes IPv4; a wildcard address has length 0. -EAFNOSUPPORT for any
 * other family, -EINVAL when len is too short for its family. sa may be unaligned.
 */
int sks_prefix_from_sockaddr(const struct sockaddr *sa, size_t len, struct sks_prefix *ret_addr,
			     uint16_t *ret_port);

/*
 * Writes the prefix as the grammar spells it: 192.0.2.0/24, [2001:db8::/32], and a full length
 * without its "/len"; empty for "no prefix". Always NUL-terminated. Returns buf.
 */
char *sks_prefix_format(const struct sks_prefix *p, char buf[SKS_PREFIX_STRLEN]);

#define SKS_PREFIX_WHYLEN 112

/*
 * Read what the grammar calls an address: sks_prefix_parse with or without a length, as a where
 * (0.0.0.0 and [::] lead nowhere: they need a length); sks_address_parse without one, as a
 * listener's place (a wildcard address has length 0). IPv6 stands in brackets. 0, or -EINVAL with
 * why: one line that says how to spell it, without a quotation of the text.
 */
int sks_prefix_parse(const char *s, size_t len, struct sks_prefix *ret_prefix,
		     char why[SKS_PREFIX_WHYLEN]);
int sks_address_parse(const char *s, size_t len, struct sks_prefix *ret_addr,
		      char why[SKS_PREFIX_WHYLEN]);

#endif
