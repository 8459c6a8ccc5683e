/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the cases of udphazard.c share: a server's socket, clients, and lines of what they see.
 */
#ifndef SKSTEER_UDPHAZARD_H
#define SKSTEER_UDPHAZARD_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "common/raw.h"
#include "udp.h"

#define OWN   5353
#define OTHER 77 /* steered, too */

static int asked_port;

static inline void patience(int fd, int seconds)
{
	const struct timeval value = { .tv_sec = seconds };

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &value, sizeof(value)))
		err(2, "SO_RCVTIMEO");
}

static inline union address address_of(uint32_t host, int port)
{
	return (union address){ .in = { .sin_family = AF_INET,
					.sin_port = htons((uint16_t)port),
					.sin_addr.s_addr = htonl(host) } };
}

/* A socket, bound there. */
static inline int bound_to(uint32_t host, int port)
{
	union address at = address_of(host, port);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, &at.any, sizeof(at.in)))
		err(2, "bind %d", port);
	patience(fd, 5);
	return fd;
}

static inline int new_server(void)
{
	return bound_to(INADDR_ANY, OWN);
}

/* One of several at that port, with room for much. */
static inline int grouped(int port)
{
	union address at = address_of(INADDR_ANY, port);
	const int one = 1, room = 8 << 20;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
	    bind(fd, &at.any, sizeof(at.in)))
		err(2, "bind %d", port);
	patience(fd, 5);
	return fd;
}

static inline int new_client(void)
{
	return bound_to(INADDR_LOOPBACK, 0);
}

static inline void ask_at(int client, int port, const char *text)
{
	union address to = address_of(INADDR_LOOPBACK, port);

	if (sendto(client, text, strlen(text), 0, &to.any, sizeof(to.in)) < 0)
		err(2, "ask");
}

static inline void ask(int client, const char *text)
{
	ask_at(client, asked_port, text);
}

/* What the client hears, and from which port. */
static inline void hear(const char *who, int client)
{
	char text[65536] = "";
	union address from = {};
	socklen_t len = sizeof(from);

	if (recvfrom(client, text, sizeof(text) - 1, 0, &from.any, &len) < 0)
		printf("%s hears: %s\n", who, strerrorname_np(errno));
	else
		printf("%s hears %s from %u\n", who, text, address_port(&from));
}

/* Of the server: who asked. The text is NUL-terminated. */
static inline union address take_question(int server, char text[100])
{
	union address peer = {};
	socklen_t len = sizeof(peer);
	ssize_t n = recvfrom(server, text, 99, 0, &peer.any, &len);

	if (n < 0)
		err(2, "no question comes");
	text[n] = '\0';
	return peer;
}

static inline void give_answer(int server, const char *text, const union address *peer, int flags)
{
	if (sendto(server, text, strlen(text), flags, &peer->any, sizeof(peer->in)) < 0)
		printf("answer: %s\n", strerrorname_np(errno));
}

/* One question and its answer, by the most usual calls. */
static inline void serve_one(int server)
{
	char text[100];
	union address peer = take_question(server, text);

	give_answer(server, text, &peer, 0);
}

/* How a child ended. */
static inline void say_end(const char *who, pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		err(2, "waitpid");
	if (WIFSIGNALED(status))
		printf("%s is killed by %d\n", who, WTERMSIG(status));
	else
		printf("%s ends with %d\n", who, WEXITSTATUS(status));
}

static inline int memfd(void)
{
	int fd = memfd_create("hazard", 0);

	if (fd < 0)
		err(2, "memfd_create");
	return fd;
}

static inline pid_t forked(void)
{
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child < 0)
		err(2, "fork");
	return child;
}

#endif
