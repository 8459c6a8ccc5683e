// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns the client of the bench's peers.
 *
 *	dial [-c FILE] [-w SECONDS] ADDRESS PORTS NUMBER
 *
 * Connects NUMBER times, one after the other, over the whole range, and each time waits for the
 * first byte: a proxy that accepts early gains nothing. -c: a cpu.stat of a cgroup, to divide what
 * it gained. -w: before that, tries until the last port answers, or gives up.
 *
 * Prints microseconds: CPU time a connection (0 without -c), median and 99th percentile of the time
 * until the first byte.
 */
#include "bench.h"

static int family;
static const char *address;

/* 0, or -1: refused, or closed before the first byte. */
static int dial(int port)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), result;
	struct timeval patience = { .tv_sec = 2 };
	struct sockaddr_storage where;
	socklen_t length = address_of(&where, family, address, port);
	char byte;

	if (fd < 0)
		err(1, "socket");
	close_resets(fd);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	result = connect(fd, (struct sockaddr *)&where, length);
	if (!result && recv(fd, &byte, 1, 0) != 1)
		result = -1;
	close(fd);
	return result;
}

/* Microseconds; 0 without a file. */
static double cpu_of(const char *file)
{
	double usage = 0;
	FILE *in;

	if (!file)
		return 0;
	in = fopen(file, "re");
	if (!in || fscanf(in, "usage_usec %lf", &usage) != 1)
		err(1, "%s", file);
	fclose(in);
	return usage;
}

static void wait_for(int port, int seconds)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + (uint64_t)seconds * 1000000000;

	while (dial(port)) {
		if (clock_ns(CLOCK_MONOTONIC) > end)
			errx(1, "port %d of %s does not answer", port, address);
		nanosleep(&pause, NULL);
	}
}

int main(int argc, char **argv)
{
	const char *file = NULL;
	int option, number, i, seconds = 0;
	struct ports ports;
	double cpu, *times;

	while ((option = getopt(argc, argv, "c:w:")) != -1) {
		if (option == 'c')
			file = optarg;
		else if (option == 'w')
			seconds = atoi(optarg);
		else
			return 2;
	}
	if (argc - optind != 3)
		errx(2, "which address, ports, number?");
	address = argv[optind];
	family = family_of(address);
	ports = ports_parse(argv[optind + 1]);
	number = atoi(argv[optind + 2]);
	times = calloc((size_t)number + 1, sizeof(*times));
	if (!times)
		err(1, "calloc");
	if (seconds)
		wait_for(ports.last, seconds);
	for (i = 0; i < number / 8; i++)
		dial(ports_walk(ports, (unsigned long)i));
	cpu = cpu_of(file);
	for (i = 0; i < number; i++) {
		uint64_t begin = clock_ns(CLOCK_MONOTONIC);

		if (dial(ports_walk(ports, (unsigned long)i)))
			err(1, "port %d of %s", ports_walk(ports, (unsigned long)i), address);
		times[i] = us_since(begin);
	}
	cpu = cpu_of(file) - cpu;
	if (number)
		printf("%.2f\t%.2f\t%.2f\n", cpu / number, quantile(times, (size_t)number, 0.5),
		       quantile(times, (size_t)number, 0.99));
	free(times);
	return 0;
}
