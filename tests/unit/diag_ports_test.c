/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the test of sks_diag_held() on few ports, as TAP: what the kernel leaves out against the
 * whole list. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../helper/diag.h"
#include "tap.h"

/* Each has one socket a protocol and family, the two last ones dual-stack. */
static const uint16_t ports[] = { 1, 53, 54, 80, 81, 82, 84, 1024, 20000, 65535, 443, 8443 };
#define N_PORTS (sizeof(ports) / sizeof(*ports))

static int netns;

static void hold(int type, int family, uint16_t port, int v6only)
{
	int sock = socket(family, type | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };

	need(sock >= 0, "socket");
	if (family == AF_INET6)
		need(!setsockopt(sock, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) &&
			     !bind(sock, (struct sockaddr *)&sin6, sizeof(sin6)),
		     "bind");
	else
		need(!bind(sock, (struct sockaddr *)&sin, sizeof(sin)), "bind");
	need(type == SOCK_DGRAM || !listen(sock, 1), "listen");
}

static bool is_on(uint16_t port, const struct sks_port_range *ranges, size_t n)
{
	while (n-- > 0) {
		if (port >= ranges[n].first && port <= ranges[n].last)
			return true;
	}
	return false;
}

static void check_ranges(uint8_t proto, const struct sks_port_range *ranges, size_t n)
{
	struct sks_held_list all = { 0 }, some = { 0 };
	size_t want = 0, found = 0;

	tap_check(!sks_diag_held(netns, proto, NULL, 0, &all) && all.n == 2 * N_PORTS - 2 &&
			  !sks_diag_held(netns, proto, ranges, n, &some),
		  "protocol %u, %zu ranges from %u", proto, n, ranges->first);
	for (size_t i = 0; i < all.n; i++) {
		if (n <= SKS_DIAG_RANGES && !is_on(all.held[i].port, ranges, n))
			continue;
		want++;
		for (size_t k = 0; k < some.n; k++)
			found += !memcmp(&all.held[i], &some.held[k], sizeof(*some.held));
	}
	tap_check(found == want && some.n == want, "%zu of %zu sockets", some.n, want);
	sks_held_free(&all);
	sks_held_free(&some);
}

/* Every split of the ports into those asked for and the rest, in ranges of one port. */
static void check_subsets(uint8_t proto)
{
	struct sks_held_list some;
	bool exact = true;

	for (unsigned int set = 1; set < 1u << N_PORTS; set++) {
		struct sks_port_range ranges[N_PORTS];
		size_t n = 0;

		for (unsigned int i = 0; i < N_PORTS; i++) {
			if (set & 1u << i)
				ranges[n++] = (struct sks_port_range){ ports[i], ports[i] };
		}
		need(!sks_diag_held(netns, proto, ranges, n, &some), "a filtered list");
		/* Two a port, but one of each dual-stack one. */
		exact &= some.n ==
			 2 * n - !!(set & 1u << (N_PORTS - 1)) - !!(set & 1u << (N_PORTS - 2));
		for (size_t i = 0; i < some.n; i++)
			exact &= is_on(some.held[i].port, ranges, n);
		sks_held_free(&some);
	}
	tap_check(exact, "protocol %u, all %u subsets of the ports", proto, (1u << N_PORTS) - 1);
}

int main(void)
{
	static const struct sks_port_range all[] = { { 0, 65535 } }, none[] = { { 85, 442 } };
	static const struct sks_port_range edges[] = { { 65535, 65535 }, { 1, 1 }, { 53, 54 } };
	static const struct sks_port_range same[] = { { 81, 82 }, { 84, 84 }, { 80, 82 } };
	struct sks_port_range many[SKS_DIAG_RANGES + 1];

	need(unshare(CLONE_NEWNET) == 0, "unshare(CLONE_NEWNET), which needs root");
	netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	need(netns >= 0, "/proc/self/ns/net");
	for (size_t i = 0; i < N_PORTS; i++) {
		for (int k = 0; k < 2; k++) {
			if (i < N_PORTS - 2)
				hold(k ? SOCK_DGRAM : SOCK_STREAM, AF_INET, ports[i], 0);
			hold(k ? SOCK_DGRAM : SOCK_STREAM, AF_INET6, ports[i], i < N_PORTS - 2);
		}
	}
	for (uint16_t i = 0; i <= SKS_DIAG_RANGES; i++)
		many[i] = (struct sks_port_range){ (uint16_t)(53 + i), (uint16_t)(53 + i) };
	for (int k = 0; k < 2; k++) {
		uint8_t proto = k ? IPPROTO_UDP : IPPROTO_TCP;

		check_ranges(proto, all, 1);
		check_ranges(proto, none, 1);
		check_ranges(proto, edges, 3);
		check_ranges(proto, same, 3);
		check_ranges(proto, many, SKS_DIAG_RANGES);
		check_ranges(proto, many, SKS_DIAG_RANGES + 1);
		check_subsets(proto);
	}
	return tap_done();
}
