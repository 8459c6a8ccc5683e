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
#include "reply_bind.h"

static struct sks_address address_of(const struct sks_prefix *addr, uint16_t port)
{
	struct sks_address name = {};

	if (addr->family == AF_INET) {
		name.in.sin_family = AF_INET;
		name.in.sin_port = htons(port);
		memcpy(&name.in.sin_addr, addr->addr, sizeof(name.in.sin_addr));
		name.len = sizeof(name.in);
	} else {
		name.in6.sin6_family = AF_INET6;
		name.in6.sin6_port = htons(port);
		memcpy(&name.in6.sin6_addr, addr->addr, sizeof(name.in6.sin6_addr));
		name.len = sizeof(name.in6);
	}
	return name;
}

static bool binds(int sock, const struct sks_address *name)
{
	int one = 1;

	if (name->any.sa_family == AF_INET
		    ? setsockopt(sock, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one))
		    : setsockopt(sock, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) ||
			      setsockopt(sock, IPPROTO_IPV6, IPV6_FREEBIND, &one, sizeof(one)))
		return false;
	return !bind(sock, &name->any, name->len) || errno == ECANCELED;
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
	const struct sks_address name = address_of(addr, port);
	uint64_t cookie;
	bool done;

	if (sock < 0 ||
	    getsockopt(sock, SOL_SOCKET, SO_COOKIE, &cookie, &(socklen_t){ sizeof(cookie) }))
		return false;
	done = !sks_bpf_try_as(cookie, change->peer->uid,
			       proto == SKS_UDP ? IPPROTO_UDP : IPPROTO_TCP, &name.any) &&
	       binds(sock, &name);
	sks_bpf_bound(cookie);
	return done;
}
