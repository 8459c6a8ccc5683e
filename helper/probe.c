// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns the quick question whether anybody at all has a port (see probe.h). A list of the sockets
 * that are only bound takes the kernel 0.3 ms, and one of those that listen is no faster than this.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "../common/cleanup.h"
#include "inside.h"
#include "probe.h"

static bool try_bind(int sock, const void *addr, socklen_t len)
{
	return !bind(sock, addr, len) || errno == ECANCELED;
}

static bool binds(int sock, const struct sks_prefix *addr, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int one = 1;

	if (addr->family == AF_INET) {
		memcpy(&in.sin_addr, addr->addr, sizeof(in.sin_addr));
		return !setsockopt(sock, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one)) &&
		       try_bind(sock, &in, sizeof(in));
	}
	memcpy(&in6.sin6_addr, addr->addr, sizeof(in6.sin6_addr));
	return !setsockopt(sock, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) &&
	       !setsockopt(sock, IPPROTO_IPV6, IPV6_FREEBIND, &one, sizeof(one)) &&
	       try_bind(sock, &in6, sizeof(in6));
}

/*
 * No SO_REUSEADDR: who has it, and does not listen, would not be in the way. The port is never held
 * beyond the call: another process of the same user may just bind it.
 */
bool sks_probe_is_free(const struct sks_change *change, uint8_t proto,
		       const struct sks_prefix *addr, uint16_t port)
{
	CLEANUP_FD int sock = sks_inside_socket(change->netns, addr->family,
						proto == SKS_UDP ? SOCK_DGRAM : SOCK_STREAM, 0);
	uint64_t cookie;
	bool done;

	if (sock < 0 ||
	    getsockopt(sock, SOL_SOCKET, SO_COOKIE, &cookie, &(socklen_t){ sizeof(cookie) }))
		return false;
	done = !sks_bpf_try_as(cookie, change->peer->uid) && binds(sock, addr, port);
	sks_bpf_bound(cookie);
	return done;
}
