/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns addresses of datagrams: one form for IPv4, IPv6 and IPv4 by a dual-stack socket. */
#ifndef SKSTEER_ENDPOINT_H
#define SKSTEER_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* No padding: compared as bytes. */
struct sks_endpoint {
	uint8_t addr[16]; /* network byte order; IPv4 as ::ffff:a.b.c.d */
	uint32_t scope;	  /* of a link-local address: the interface; else 0 */
	uint16_t port;	  /* host byte order */
	uint16_t reserved;
};
_Static_assert(sizeof(struct sks_endpoint) == 24, "no padding");

/* False: neither AF_INET nor AF_INET6, or cut off. */
bool sks_endpoint_from(struct sks_endpoint *ret_end, const void *addr, socklen_t len);
/* As bind(2) and the others of a socket of that domain want it. Returns the length. */
socklen_t sks_endpoint_to(const struct sks_endpoint *end, int domain,
			  struct sockaddr_storage *ret_addr);
bool sks_endpoint_is_v4(const struct sks_endpoint *end);
/* May a datagram be sent from there? Not from a multicast address, or the broadcast one. */
bool sks_endpoint_is_source(const struct sks_endpoint *end);
bool sks_endpoint_equal(const struct sks_endpoint *a, const struct sks_endpoint *b);
bool sks_endpoint_same_address(const struct sks_endpoint *a, const struct sks_endpoint *b);

#endif
