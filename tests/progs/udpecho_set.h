/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how udpecho.c sets up its socket: what it asks for, where it binds, by which descriptor it
 * goes. */
#ifndef SKSTEER_UDPECHO_SET_H
#define SKSTEER_UDPECHO_SET_H

#include <fcntl.h>
#include <grp.h>

#include "udpecho.h"

struct wish {
	const char *name;
	int level, option, level6, option6, value;
};

static const struct wish wishes[] = {
	{ "pktinfo", IPPROTO_IP, IP_PKTINFO, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1 },
	{ "origdst", IPPROTO_IP, IP_RECVORIGDSTADDR, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1 },
	{ "ttl", IPPROTO_IP, IP_RECVTTL, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1 },
	{ "tos", IPPROTO_IP, IP_RECVTOS, IPPROTO_IPV6, IPV6_RECVTCLASS, 1 },
	{ "err", IPPROTO_IP, IP_RECVERR, IPPROTO_IPV6, IPV6_RECVERR, 1 },
	{ "gro", IPPROTO_UDP, UDP_GRO, 0, 0, 1 },
	{ "stamp", SOL_SOCKET, SO_TIMESTAMP, 0, 0, 1 },
	{ "stampns", SOL_SOCKET, SO_TIMESTAMPNS, 0, 0, 1 },
	{ "stamping", SOL_SOCKET, SO_TIMESTAMPING, 0, 0, 0x18 }, /* received, by software */
	{ "ovfl", SOL_SOCKET, SO_RXQ_OVFL, 0, 0, 1 },
};

static void set_wish(int fd, sa_family_t family, const struct wish *wish, bool on)
{
	int value = on ? wish->value : 0;

	option(fd, wish->level, wish->option, value);
	if (wish->level6 && family == AF_INET6)
		option(fd, wish->level6, wish->option6, value);
}

/* names: with commas between them. */
static void set_wishes(int fd, sa_family_t family, const char *names, bool on)
{
	char copy[256], *rest = copy, *name;

	snprintf(copy, sizeof(copy), "%s", names);
	while (*copy && (name = strsep(&rest, ","))) {
		size_t i = 0, n = sizeof(wishes) / sizeof(*wishes);

		while (i < n && strcmp(wishes[i].name, name) != 0)
			i++;
		if (i == n)
			errx(2, "nothing to ask for: %s", name);
		set_wish(fd, family, &wishes[i], on);
	}
}

/* What the server finds when it looks at the option that the library uses. */
static void show_options(int fd, sa_family_t family)
{
	int v4 = -1, v6 = -1;
	socklen_t len = sizeof(v4);

	if (getsockopt(fd, IPPROTO_IP, IP_RECVORIGDSTADDR, &v4, &len))
		err(1, "IP_RECVORIGDSTADDR");
	printf("IP_RECVORIGDSTADDR %d in %u\n", v4, len);
	len = sizeof(v6);
	if (family == AF_INET6) {
		if (getsockopt(fd, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, &v6, &len))
			err(1, "IPV6_RECVORIGDSTADDR");
		printf("IPV6_RECVORIGDSTADDR %d in %u\n", v6, len);
	}
	fflush(stdout);
}

/* options: v6only, reuse (SO_REUSEADDR and SO_REUSEPORT), dev=INTERFACE. */
static int bound_socket(const union address *addr, char *options, int flags, const char *asks)
{
	int fd = socket(addr->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | flags, 0);
	char *word;

	if (fd < 0)
		err(1, "socket");
	while ((word = strsep(&options, ","))) {
		if (!strcmp(word, "v6only")) {
			option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		} else if (!strcmp(word, "reuse")) {
			option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
			option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
		} else if (strncmp(word, "dev=", 4) != 0 ||
			   setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, word + 4,
				      (socklen_t)strlen(word + 4))) {
			err(2, "%s", word);
		}
	}
	set_wishes(fd, addr->any.sa_family, asks, true);
	if (bind(fd, &addr->any, address_len(addr)))
		err(1, "bind");
	return fd;
}

static int duplicate(int fd, const char *how)
{
	if (!strcmp(how, "dup2"))
		return dup2(fd, 100);
	if (!strcmp(how, "dup3"))
		return dup3(fd, 101, O_CLOEXEC);
	if (!strcmp(how, "dupfd"))
		return fcntl(fd, F_DUPFD, 102);
	if (!strcmp(how, "cloexec"))
		return fcntl(fd, F_DUPFD_CLOEXEC, 103);
	if (!strcmp(how, "dup") || !strcmp(how, "split"))
		return dup(fd);
	errx(2, "fd=%s", how);
}

/* By which descriptor the server goes on, and by which it sends. */
static int duplicated(int fd, const char *how)
{
	int copy = duplicate(fd, how);

	if (copy < 0)
		err(1, "fd=%s", how);
	if (!strcmp(how, "split")) {
		config.send_fd = copy;
		return fd;
	}
	close(fd);
	return copy;
}

static void drop_root(uid_t uid)
{
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		err(1, "drop=%u", uid);
}

#endif
