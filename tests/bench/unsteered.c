/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the measuring of what the library's hooks cost calls that it has nothing to do with: in one
 * process, the call as the program finds it, and as libc has it.
 *
 *	unsteered NAME: of the rows; to be started with the library preloaded.
 */
#include <dlfcn.h>
#include <errno.h>

#include "bench.h"

#define ROUNDS 41
#define SLICES 10
#define CALLS  2000 /* a slice */

static int sock, zero;
static char data[64];

struct calls {
	ssize_t (*recvfrom)(int fd, void *buf, size_t n, int flags, struct sockaddr *addr,
			    socklen_t *len);
	ssize_t (*read)(int fd, void *buf, size_t n);
	int (*close)(int fd);
};

/* There is nothing to receive. */
static void do_recvfrom(const struct calls *calls)
{
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);

	if (calls->recvfrom(sock, data, sizeof(data), 0, (struct sockaddr *)&peer, &len) != -1)
		errx(1, "a datagram");
}

static void do_read(const struct calls *calls)
{
	if (calls->read(zero, data, 1) != 1)
		err(1, "read");
}

/* Of none: to open one would take longer than what is measured. */
static void do_close(const struct calls *calls)
{
	if (!calls->close(-1))
		errx(1, "close");
}

static const struct {
	const char *name;
	void (*run)(const struct calls *calls);
} kinds[] = {
	{ "recvfrom", do_recvfrom },
	{ "read", do_read },
	{ "close", do_close },
};

/* The least of some: the kernel moves the stack by a random amount in each call. */
static double time_calls(void (*run)(const struct calls *calls), const struct calls *calls)
{
	double least = 1e9;

	for (int slice = 0; slice < SLICES; slice++) {
		uint64_t begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		double ns;

		for (int i = 0; i < CALLS; i++)
			run(calls);
		ns = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin) / CALLS;
		if (ns < least)
			least = ns;
	}
	return least;
}

static void *of(void *where, const char *name)
{
	void *call = dlsym(where, name);

	if (!call)
		errx(1, "no %s: %s", name, dlerror());
	return call;
}

static struct calls calls_of(void *where)
{
	return (struct calls){ .recvfrom = of(where, "recvfrom"),
			       .read = of(where, "read"),
			       .close = of(where, "close") };
}

static void print(const char *call, const char *name, double ratio, double more)
{
	char row[128];

	(void)snprintf(row, sizeof(row), "%s, %s, with the library / without", call, name);
	print_row(row, ratio, "ratio", "");
	(void)fprintf(stderr, "    %s: %.1f ns more\n", row, more);
}

int main(int argc, char **argv)
{
	void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
	struct calls ours = calls_of(RTLD_DEFAULT), theirs = calls_of(libc);
	double ratios[ROUNDS], more[ROUNDS];

	if (argc != 2)
		errx(2, "usage: unsteered NAME");
	if (ours.recvfrom == theirs.recvfrom)
		errx(1, "the library is not there");
	stay_on_one_cpu();
	sock = bound_socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, "127.0.0.1", 7999);
	zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	need(zero >= 0, "/dev/zero");
	for (size_t kind = 0; kind < sizeof(kinds) / sizeof(*kinds); kind++) {
		for (int round = 0; round < ROUNDS; round++) {
			double with = time_calls(kinds[kind].run, &ours);
			double without = time_calls(kinds[kind].run, &theirs);

			ratios[round] = with / without;
			more[round] = with - without;
		}
		print(kinds[kind].name, argv[1], quantile(ratios, ROUNDS, 0.5),
		      quantile(more, ROUNDS, 0.5));
	}
	return 0;
}
