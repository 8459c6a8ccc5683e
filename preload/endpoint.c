/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns addresses of datagrams in one form (see endpoint.h). */
#include "endpoint.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

bool sks_endpoint_is_v4(const struct sks_endpoint *end)
{
	return !memcmp(end->addr, mapped, sizeof(mapped));
}

static bool is_link_local(const uint8_t addr[16])
{
	return addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80;
}

bool sks_endpoint_from(struct sks_endpoint *ret_end, const void *addr, socklen_t len)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	if (len < sizeof(in))
		return false;
	memcpy(&in, addr, sizeof(in));
	*ret_end = (struct sks_endpoint){ .port = ntohs(in.sin_port) };
	if (in.sin_family == AF_INET) {
		memcpy(ret_end->addr, mapped, sizeof(mapped));
		memcpy(ret_end->addr + 12, &in.sin_addr, 4);
		return true;
	}
	/* The kernel takes the shorter address of RFC 2133, without a scope, as well. */
	if (in.sin_family != AF_INET6 || len < offsetof(struct sockaddr_in6, sin6_scope_id))
		return false;
	in6.sin6_scope_id = 0;
	memcpy(&in6, addr, len < sizeof(in6) ? len : sizeof(in6));
	memcpy(ret_end->addr, &in6.sin6_addr, 16);
	if (is_link_local(ret_end->addr))
		ret_end->scope = in6.sin6_scope_id;
	return true;
}

socklen_t sks_endpoint_to(const struct sks_endpoint *end, int domain,
			  struct sockaddr_storage *ret_addr)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(end->port) };
	struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(end->port),
		.sin6_scope_id = end->scope,
	};

	if (domain == AF_INET) {
		memcpy(&in.sin_addr, end->addr + 12, 4);
		memcpy(ret_addr, &in, sizeof(in));
		return sizeof(in);
	}
	memcpy(&in6.sin6_addr, end->addr, 16);
	memcpy(ret_addr, &in6, sizeof(in6));
	return sizeof(in6);
}

bool sks_endpoint_is_source(const struct sks_endpoint *end)
{
	if (sks_endpoint_is_v4(end))
		return end->addr[12] != 0 && end->addr[12] < 224; /* 255.255.255.255 as well */
	return end->addr[0] != 0xff;
}

bool sks_endpoint_equal(const struct sks_endpoint *a, const struct sks_endpoint *b)
{
	return !memcmp(a, b, sizeof(*a));
}

bool sks_endpoint_same_address(const struct sks_endpoint *a, const struct sks_endpoint *b)
{
	return !memcmp(a->addr, b->addr, sizeof(a->addr));
}
