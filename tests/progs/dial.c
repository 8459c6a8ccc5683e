/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns a client that finds out who answers where: dial [-s SOURCE] ADDRESS#PORT[-PORT][/udp]...
 *
 * A line for each argument: itself and what came of it, which is the name that progs/stand.c gave
 * the listener ("NAME, dialled PORT" if it saw another port), "refused", "nothing" (no answer in
 * time), or an errno. A range on which not all ports do alike gets a line for each run of them.
 * SOURCE: the address to come from, so that a scan never connects a socket to itself.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_MS 2000
#define SAID	    64

struct place {
	struct sockaddr_storage addr;
	socklen_t len;
	bool udp;
};

static struct place source;
static int deadline_ms = DEADLINE_MS;

static void set_port(struct place *place, unsigned int port)
{
	/* At the same place in both families. */
	((struct sockaddr_in *)&place->addr)->sin_port = htons((uint16_t)port);
}

/* ADDRESS[%INTERFACE], without a port. */
static void parse_address(char *text, struct place *ret)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&ret->addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->addr;
	char *percent = strchr(text, '%');

	*ret = (struct place){};
	if (percent)
		*percent = '\0';
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		ret->len = sizeof(*in);
	} else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_scope_id = percent ? if_nametoindex(percent + 1) : 0;
		ret->len = sizeof(*in6);
	} else {
		errx(2, "no address: %s", text);
	}
}

/* The errno of a refusal comes at the next call, of a datagram by the error queue. */
static int wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n = poll(&p, 1, deadline_ms), error = 0;
	socklen_t len = sizeof(error);

	if (n == 0)
		return ETIMEDOUT;
	if (n < 0)
		err(1, "poll");
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
		err(1, "SO_ERROR");
	return error;
}

static int dial_tcp(int fd, const struct place *to, char said[SAID])
{
	struct linger at_once = { .l_onoff = 1 };
	size_t have = 0;
	int error = 0;

	/* Leaves no TIME_WAIT: a scan uses up every port of its side otherwise. */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	if (connect(fd, (const struct sockaddr *)&to->addr, to->len))
		error = errno == EINPROGRESS ? wait_for(fd, POLLOUT) : errno;
	while (!error && !memchr(said, '\n', have) && have < SAID - 1) {
		ssize_t n;

		error = wait_for(fd, POLLIN);
		n = error ? 0 : read(fd, said + have, SAID - 1 - have);
		if (n < 0)
			error = errno;
		else if (n == 0 && !error)
			error = ENODATA;
		have += n > 0 ? (size_t)n : 0;
	}
	return error;
}

static int dial_udp(int fd, const struct place *to, char said[SAID])
{
	int one = 1, error;

	/* Not connected: the answer may come from another port of the server's. */
	setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof(one));
	if (to->addr.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof(one));
	if (sendto(fd, "who\n", 4, 0, (const struct sockaddr *)&to->addr, to->len) < 0)
		return errno;
	error = wait_for(fd, POLLIN);
	if (!error && recv(fd, said, SAID - 1, MSG_DONTWAIT) < 0)
		error = errno;
	return error;
}

/* "NAME PORT" as the server said it, PORT 0 where it does not know. */
static void judge(const char *answer, unsigned int port, char said[SAID])
{
	unsigned int seen = 0;
	char name[32];

	if (sscanf(answer, "%31s %u", name, &seen) != 2)
		snprintf(said, SAID, "garbage");
	else if (seen && seen != port)
		snprintf(said, SAID, "%s, dialled %u", name, seen);
	else
		snprintf(said, SAID, "%s", name);
}

static void dial(struct place *to, unsigned int port, char said[SAID])
{
	int type = (to->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK;
	int fd = socket(to->addr.ss_family, type, 0), one = 1, error;
	char answer[SAID] = "";

	if (fd < 0)
		err(1, "socket");
	set_port(to, port);
	if (source.len) {
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
		if (bind(fd, (struct sockaddr *)&source.addr, source.len))
			err(1, "bind to the source");
	}
	error = to->udp ? dial_udp(fd, to, answer) : dial_tcp(fd, to, answer);
	close(fd);
	if (!error)
		judge(answer, port, said);
	else if (error == ECONNREFUSED)
		snprintf(said, SAID, "refused");
	else if (error == ETIMEDOUT)
		snprintf(said, SAID, "nothing");
	else
		snprintf(said, SAID, "%s", strerrorname_np(error));
}

static void print_run(const char *address, unsigned int first, unsigned int last,
		      const struct place *to, const char *said)
{
	printf("%s#%u", address, first);
	if (last != first)
		printf("-%u", last);
	printf("%s %s\n", to->udp ? "/udp" : "", said);
}

static void dial_range(char *text)
{
	char *hash = strchr(text, '#'), *slash = strchr(text, '/');
	char address[64], said[SAID] = "", before[SAID] = "";
	unsigned int first, last, run;
	struct place to;
	int n;

	if (!hash)
		errx(2, "no port: %s", text);
	snprintf(address, sizeof(address), "%.*s", (int)(hash - text), text);
	n = sscanf(hash + 1, "%u-%u", &first, &last);
	if (n < 1)
		errx(2, "no port: %s", text);
	if (n < 2)
		last = first;
	*hash = '\0';
	parse_address(text, &to);
	to.udp = slash && !strcmp(slash, "/udp");
	run = first;
	for (unsigned int port = first; port <= last; port++) {
		dial(&to, port, said);
		if (port > first && strcmp(said, before) != 0) {
			print_run(address, run, port - 1, &to, before);
			run = port;
		}
		memcpy(before, said, sizeof(before));
	}
	print_run(address, run, last, &to, said);
}

int main(int argc, char **argv)
{
	const char *slow = getenv("SKS_SLOW");
	int c;

	if (slow && atoi(slow) > 0)
		deadline_ms *= atoi(slow);
	while ((c = getopt(argc, argv, "s:")) != -1) {
		if (c != 's')
			return 2;
		parse_address(optarg, &source);
	}
	for (int i = optind; i < argc; i++)
		dial_range(argv[i]);
	return 0;
}
