// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns the measuring of what a preloaded library costs each program that starts: a small one from
 * fork to its end, with the library and without.
 *
 * process_start LIBRARY EMPTY: EMPTY is a library with nothing in it, the least that any can cost.
 */
#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>

#include "bench.h"

#define ROUNDS 21 /* odd: the median is one of them */
#define SPAWNS 80 /* a round and variant, in turns */

struct variant {
	const char *row; /* NULL: what the others are divided by */
	const char *goal;
	char *env[4];
	double took[SPAWNS]; /* this round's, in microseconds */
	double typical[ROUNDS], ratios[ROUNDS];
};

static char program[] = "/bin/true";

/* Parent and child have one CPU for themselves, so what passes is what they use. */
static double start_one(const struct variant *variant)
{
	char *argv[] = { program, NULL };
	uint64_t begin = clock_ns(CLOCK_MONOTONIC);
	int status = 0;
	pid_t pid;

	errno = posix_spawn(&pid, program, NULL, NULL, argv, (char **)variant->env);
	need(!errno, program);
	while (waitpid(pid, &status, 0) < 0)
		;
	if (status)
		errx(1, "%s failed", program);
	return us_since(begin);
}

/* Neighbours in time share what else the machine does; a quartile forgets what hit one of them. */
static void run_round(struct variant *variants, size_t n, int round)
{
	for (int i = 0; i < SPAWNS; i++) {
		for (size_t k = 0; k < n; k++)
			variants[k].took[i] = start_one(&variants[k]);
	}
	for (size_t k = 0; k < n; k++) {
		variants[k].typical[round] = quantile(variants[k].took, SPAWNS, 0.25);
		variants[k].ratios[round] = variants[k].typical[round] / variants[0].typical[round];
	}
}

/* A library that ld.so cannot load would be measured as one that costs little. */
static bool is_loadable(char *const *env)
{
	char *argv[] = { program, NULL };
	posix_spawn_file_actions_t to_pipe;
	int fds[2], status;
	char c;
	pid_t pid;
	bool silent;

	need(!pipe(fds), "pipe");
	(void)posix_spawn_file_actions_init(&to_pipe);
	(void)posix_spawn_file_actions_adddup2(&to_pipe, fds[1], STDERR_FILENO);
	if (posix_spawn(&pid, program, &to_pipe, NULL, argv, env))
		return false;
	(void)posix_spawn_file_actions_destroy(&to_pipe);
	close(fds[1]);
	silent = read(fds[0], &c, 1) == 0;
	close(fds[0]);
	return waitpid(pid, &status, 0) == pid && silent && !status;
}

int main(int argc, char **argv)
{
	static char path[] = "PATH=/usr/bin:/bin", ports[] = "SKSTEER_PORTS=7,77,777";
	static char library[4200], empty[4200];
	static struct variant variants[] = {
		{ .env = { path } },
		{ .row = "process start, an empty library / without",
		  .goal = "",
		  .env = { path, empty } },
		{ .row = "process start, with the library / without",
		  .goal = "<= 1.05",
		  .env = { path, library } },
		{ .row = "process start, with SKSTEER_PORTS / without",
		  .goal = "",
		  .env = { path, library, ports } },
	};
	size_t n = sizeof(variants) / sizeof(*variants);

	if (argc != 3)
		errx(2, "usage: process_start LIBRARY EMPTY");
	(void)snprintf(library, sizeof(library), "LD_PRELOAD=%s", argv[1]);
	(void)snprintf(empty, sizeof(empty), "LD_PRELOAD=%s", argv[2]);
	for (size_t i = 0; i < n; i++) {
		if (!is_loadable(variants[i].env))
			errx(1, "cannot be preloaded: %s", variants[i].env[1]);
	}
	stay_on_one_cpu();
	for (int round = 0; round < ROUNDS; round++)
		run_round(variants, n, round);
	for (size_t i = 0; i < n; i++)
		(void)fprintf(stderr, "    %s: %.1f us\n",
			      i ? variants[i].row : "process start, without",
			      quantile(variants[i].typical, ROUNDS, 0.5));
	for (size_t i = 1; i < n; i++)
		print_row(variants[i].row, quantile(variants[i].ratios, ROUNDS, 0.5), "ratio",
			  variants[i].goal);
	return 0;
}
