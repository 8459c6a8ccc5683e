// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns what system calls take, with and without a supervisor (who starts this, decides).
 *
 *	engine calls: nanoseconds of getppid(2), and of a byte through a socketpair
 *	engine allowed: the same, under the smallest of all seccomp filters
 *	engine bind: microseconds of a bind(2) of which no clause speaks, the median
 *	engine listen: microseconds of a listen(2) on port 7777, the median
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "bench.h"

#define SLICES	20
#define REPEATS 20000
#define SOCKETS 301

static int ends[2];

static void ask_parent(void)
{
	(void)syscall(SYS_getppid);
}

static void pass_byte(void)
{
	char byte = 0;

	need(write(ends[0], &byte, 1) == 1 && read(ends[1], &byte, 1) == 1, "socketpair");
}

/* The least of several slices: what disturbs is not what is measured. */
static double least_ns(void (*call)(void))
{
	double least = 1e9;

	for (int slice = 0; slice < SLICES; slice++) {
		uint64_t begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		double took;

		for (int i = 0; i < REPEATS; i++)
			call();
		took = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin) / REPEATS;
		if (took < least)
			least = took;
	}
	return least;
}

/* What any filter costs, since each system call has to look whether there is one. */
static void allow_everything(void)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	const struct sock_fprog program = { .len = 1, .filter = &all };

	need(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	need(!syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
		      &program),
	     "seccomp");
}

static void print_calls(void)
{
	need(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
	printf("%.1f %.1f\n", least_ns(ask_parent), least_ns(pass_byte));
}

static double time_listen(void)
{
	int fd = bound_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, NULL, 7777);
	uint64_t begin = clock_ns(CLOCK_MONOTONIC);
	double took;

	need(!listen(fd, 16), "listen");
	took = us_since(begin);
	close(fd);
	return took;
}

static double time_bind(void)
{
	uint64_t begin = clock_ns(CLOCK_MONOTONIC);
	int fd = bound_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, NULL, 0);
	double took = us_since(begin);

	close(fd);
	return took;
}

static double median_us(double (*sample)(void))
{
	static double took[SOCKETS];

	for (int i = 0; i < SOCKETS; i++)
		took[i] = sample();
	return quantile(took, SOCKETS, 0.5);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "allowed"))
		allow_everything();
	if (!strcmp(what, "allowed") || !strcmp(what, "calls"))
		print_calls();
	else
		printf("%.1f\n", median_us(!strcmp(what, "bind") ? time_bind : time_listen));
	return 0;
}
