/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns somebody who wants ports: grab [-l] [-h] [-n N] PLACE...
 *
 * PLACE is ADDRESS#PORT[/udp][,v6only][,again], or "auto": a port that listen(2) draws. With "again"
 * the socket has a port already. Says "PLACE done" or "PLACE EADDRINUSE" or the like, for each in
 * turn.
 *	-l  listens, too
 *	-h  keeps them, and says "ready"
 *	-n  so many times each, at the same time; says what failed, or "done" once
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool listens;

/* To the port that the kernel draws there. */
static void bind_any(int fd, const struct sockaddr_storage *addr, socklen_t len)
{
	struct sockaddr_storage any = *addr;

	((struct sockaddr_in *)&any)->sin_port = 0; /* which lies where sin6_port does */
	if (bind(fd, (struct sockaddr *)&any, len))
		err(2, "bind");
}

static socklen_t parse(const char *place, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	char addr[64];
	unsigned short port;

	if (sscanf(place, "%63[^#]#%hu", addr, &port) != 2)
		errx(2, "%s: no place", place);
	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, addr, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, addr, &in6->sin6_addr) != 1)
		errx(2, "%s: no address", place);
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	return sizeof(*in6);
}

/* A descriptor, or -1 with errno. */
static int grab(const char *place)
{
	bool automatic = !strcmp(place, "auto"), udp = strstr(place, "/udp");
	struct sockaddr_storage addr = { .ss_family = AF_INET };
	socklen_t len = automatic ? 0 : parse(place, &addr);
	int fd = socket(addr.ss_family, udp ? SOCK_DGRAM : SOCK_STREAM, 0), one = 1;

	if (fd < 0)
		err(2, "socket");
	if (!udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (strstr(place, ",v6only"))
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (strstr(place, ",again"))
		bind_any(fd, &addr, len);
	if ((len && bind(fd, (struct sockaddr *)&addr, len)) ||
	    ((listens || automatic) && !udp && listen(fd, 1))) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

int main(int argc, char **argv)
{
	bool keeps = false;
	int times = 1, c;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((c = getopt(argc, argv, "lhn:")) != -1) {
		listens |= c == 'l';
		keeps |= c == 'h';
		if (c == 'n')
			times = atoi(optarg);
		if (c == '?')
			return 2;
	}
	for (int i = optind; i < argc; i++) {
		int fds[1024], n = 0;

		while (n < times && n < 1024 && (fds[n] = grab(argv[i])) >= 0)
			n++;
		printf("%s %s\n", argv[i], n == times ? "done" : strerrorname_np(errno));
		while (!keeps && n)
			close(fds[--n]);
	}
	if (!keeps)
		return 0;
	puts("ready");
	pause();
	return 0;
}
