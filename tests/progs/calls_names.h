/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what else the server of calls.c asks for: getsockname, shutdown, connect. */
#ifndef SKSTEER_TESTS_CALLS_NAMES_H
#define SKSTEER_TESTS_CALLS_NAMES_H

#include <arpa/inet.h>
#include <err.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "calls.h"

static void do_shutdown(char *how)
{
	long began = now_ms();

	errno = ERRNO_BEFORE;
	say("shutdown", shutdown(fd, !strcmp(how, "rd") ? SHUT_RD : SHUT_RDWR), began);
}

/* As haproxy does to a listener that pauses: it can listen again. */
static void do_disconnect(void)
{
	const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

	if (connect(fd, &nowhere, sizeof(nowhere)))
		err(2, "connect");
}

static void do_name(void)
{
	struct sockaddr_storage name;
	struct sockaddr_in *in = (struct sockaddr_in *)&name;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&name;
	socklen_t len = sizeof(name);
	char text[INET6_ADDRSTRLEN];
	const void *addr = &in->sin_addr;

	errno = ERRNO_BEFORE;
	if (getsockname(fd, (struct sockaddr *)&name, &len) || errno != ERRNO_BEFORE)
		err(2, "getsockname");
	if (name.ss_family == AF_INET6)
		addr = &in6->sin6_addr;
	printf("name %s#%d\n", inet_ntop(name.ss_family, addr, text, sizeof(text)),
	       ntohs(in->sin_port));
	fflush(stdout);
}

/* Into so many bytes: what is in these, and in one more. */
static void do_name_within(char *size)
{
	unsigned char name[8];
	socklen_t room = (socklen_t)atoi(size), len = room;

	memset(name, 0xee, sizeof(name));
	if (getsockname(fd, (struct sockaddr *)name, &len))
		err(2, "getsockname");
	printf("name of %u:", len);
	for (unsigned int i = 0; i <= room; i++)
		printf(" %02x", name[i]);
	printf("\n");
	fflush(stdout);
}

static void do_name_odd(void)
{
	socklen_t len = sizeof(struct sockaddr_in);
	struct sockaddr_in in;

	say("name", getsockname(fd, NULL, &len), 0);
	len = (socklen_t)-1;
	say("name", getsockname(fd, (struct sockaddr *)&in, &len), 0);
	say("name", getsockname(fd, (struct sockaddr *)&in, (socklen_t *)strtoul("8", NULL, 0)), 0);
	say("name", getsockname(-1, (struct sockaddr *)&in, &len), 0);
}

#endif
