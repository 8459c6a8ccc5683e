/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the stop-watch: the least CPU time that one run of each of several programs takes, measured
 * in rounds in which each has its turn, so that what disturbs them disturbs all.
 *
 * The time is the thread's, around one BPF_PROG_TEST_RUN of many repeats: the kernel's own average
 * is in whole nanoseconds, of which the floor has five.
 */
#ifndef SKSTEER_BENCH_STOPWATCH_H
#define SKSTEER_BENCH_STOPWATCH_H

#include "load.h"

#define SLICES 10

struct run {
	int prog;
	struct bpf_sk_lookup packet;
};

/* What a packet gets: SK_DROP or SK_PASS, and which socket. */
struct outcome {
	__u32 verdict;
	__u64 cookie;
};

static struct bpf_sk_lookup packet4(__u32 addr, __u32 port, __u32 proto)
{
	return (struct bpf_sk_lookup){
		.family = AF_INET,
		.protocol = proto,
		.remote_ip4 = htonl(INADDR_LOOPBACK),
		.remote_port = htons(40000),
		.local_ip4 = addr,
		.local_port = port,
	};
}

static struct bpf_sk_lookup packet6(const char *addr, __u32 port)
{
	struct bpf_sk_lookup packet = {
		.family = AF_INET6,
		.protocol = IPPROTO_TCP,
		.remote_port = htons(40000),
		.local_port = port,
	};

	(void)inet_pton(AF_INET6, "2001:db8::1", packet.remote_ip6);
	(void)inet_pton(AF_INET6, addr, packet.local_ip6);
	return packet;
}

static struct outcome run_once(int prog, const struct bpf_sk_lookup *packet)
{
	struct bpf_sk_lookup in = *packet;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &in, .ctx_size_in = sizeof(in),
		    .ctx_out = &in, .ctx_size_out = sizeof(in));

	need(!bpf_prog_test_run_opts(prog, &opts), "BPF_PROG_TEST_RUN");
	return (struct outcome){ opts.retval, in.cookie };
}

/*
 * The least of SLICES test runs, which make up the repeats. The kernel moves the stack by a random
 * amount in each system call, which is worth up to 3 ns a repeat: so few long runs would mostly
 * tell who was lucky.
 */
static double time_run(const struct run *run, int repeats)
{
	double least = 1e9;

	for (int i = 0; i < SLICES; i++) {
		struct bpf_sk_lookup in = run->packet;
		LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &in, .ctx_size_in = sizeof(in),
			    .repeat = repeats / SLICES);
		uint64_t begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		double time;

		need(!bpf_prog_test_run_opts(run->prog, &opts), "BPF_PROG_TEST_RUN");
		time = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin) / (repeats / SLICES);
		if (time < least)
			least = time;
	}
	return least;
}

/* Lowers best, in ns, to what the rounds took at least. */
static void time_runs(const struct run *runs, double *best, unsigned int n, int rounds, int repeats)
{
	for (int round = 0; round < rounds; round++) {
		for (unsigned int i = 0; i < n; i++) {
			double time = time_run(&runs[i], repeats);

			if (time < best[i])
				best[i] = time;
		}
	}
}

static void forget_times(double *best, unsigned int n)
{
	while (n)
		best[--n] = 1e9;
}

#endif
