/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the programs of the bench share: arguments, sockets, the CPU, clocks, medians, rows. */
#ifndef SKSTEER_BENCH_H
#define SKSTEER_BENCH_H

#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LISTENERS_MAX 10000 /* of one process */

/* With errno's reason. */
static inline void need(bool ok, const char *what)
{
	if (!ok)
		err(1, "%s", what);
}

/* --- arguments -------------------------------------------------------------------------------- */

struct ports {
	int first, last;
};

static inline int ports_count(struct ports ports)
{
	return ports.last - ports.first + 1;
}

/* "PORT" or "FIRST-LAST". */
static inline struct ports ports_parse(const char *text)
{
	struct ports ports;
	char *end;

	ports.first = ports.last = (int)strtol(text, &end, 10);
	if (*end == '-')
		ports.last = (int)strtol(end + 1, &end, 10);
	if (*end || ports.first < 1 || ports.last > 65535 || ports.last < ports.first)
		errx(2, "no ports: %s", text);
	return ports;
}

/*
 * The n-th of a walk that meets every port of the range once before any a second time, far from
 * the one before: a prime larger than any range has no divisor in common with its length.
 */
static inline int ports_walk(struct ports ports, unsigned long n)
{
	return ports.first + (int)(n * 69997 % (unsigned long)ports_count(ports));
}

/* --- sockets ---------------------------------------------------------------------------------- */

/* Returns the length. A NULL or empty address is the wildcard of that family. */
static inline socklen_t address_of(struct sockaddr_storage *ret, int family, const char *address,
				   int port)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	void *where = family == AF_INET6 ? (void *)&in6->sin6_addr : (void *)&in->sin_addr;

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = (sa_family_t)family;
	in->sin_port = htons((uint16_t)port); /* at the same place in both */
	if (address && *address && inet_pton(family, address, where) != 1)
		errx(2, "no address: %s", address);
	return family == AF_INET6 ? sizeof(*in6) : sizeof(*in);
}

static inline int family_of(const char *address)
{
	return strchr(address, ':') ? AF_INET6 : AF_INET;
}

static inline void set_option(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)))
		err(1, "setsockopt");
}

/* type: SOCK_STREAM or SOCK_DGRAM, with SOCK_CLOEXEC where that is wanted. */
static inline int bound_socket(int family, int type, const char *address, int port)
{
	int fd = socket(family, type, 0);
	struct sockaddr_storage where;
	socklen_t length = address_of(&where, family, address, port);

	need(fd >= 0, "socket");
	set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (family == AF_INET6)
		set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (bind(fd, (struct sockaddr *)&where, length))
		err(1, "port %d", port);
	return fd;
}

/* close(2) then resets: nothing stays in TIME_WAIT. */
static inline void close_resets(int fd)
{
	struct linger linger = { .l_onoff = 1 };

	need(!setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), "SO_LINGER");
}

static inline void allow_listeners(void)
{
	const struct rlimit files = { 2 * LISTENERS_MAX, 2 * LISTENERS_MAX };

	need(!setrlimit(RLIMIT_NOFILE, &files), "RLIMIT_NOFILE");
}

static inline void enter_netns(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(1, "%s", path);
	close(fd);
}

/* --- time and rows ---------------------------------------------------------------------------- */

/* For us and our children. The last CPU that we may use: interrupts prefer the first. */
static inline void stay_on_one_cpu(void)
{
	cpu_set_t cpus;
	int last = 0;

	need(!sched_getaffinity(0, sizeof(cpus), &cpus), "sched_getaffinity");
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (CPU_ISSET(i, &cpus))
			last = i;
	}
	CPU_ZERO(&cpus);
	CPU_SET(last, &cpus);
	need(!sched_setaffinity(0, sizeof(cpus), &cpus), "sched_setaffinity");
}

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	need(!clock_gettime(clock, &now), "clock_gettime");
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline double us_since(uint64_t begin)
{
	return (double)(clock_ns(CLOCK_MONOTONIC) - begin) / 1000;
}

static inline int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts the values. A quantile of 0 is the minimum, 0.5 the median. */
static inline double quantile(double *values, size_t n, double q)
{
	qsort(values, n, sizeof(*values), compare_doubles);
	return values[(size_t)(q * (double)(n - 1) + 0.5)];
}

/* A line of the table: see tests/bench/run. Without a goal: "". */
static inline void print_row(const char *name, double value, const char *unit, const char *goal)
{
	printf("%s\t%.3f\t%s\t%s\n", name, value, unit, goal);
}

#endif
