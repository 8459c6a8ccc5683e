/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the test of maps that are replaced by larger ones, as TAP: what is in them moves over, at
 * the same addresses, counts are exact under traffic, and a helper that is killed or fails at it
 * leaves what was there before or what was to come.
 *
 * Usage, as root: grow_test
 */
#include <arpa/inet.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../../helper/bpf.h"
#include "../../helper/kernel.h"
#include "grow_stage.h"

#define BURST 64 /* datagrams between two looks at whether to stop */

static uint32_t begun[SKS_MAP_COUNT];
static bool graced =
	true; /* the helper has waited for the programs that ran before the last update */

static bool all_intact(void)
{
	for (size_t k = 0; k < N_GROWN; k++) {
		if (!is_intact(grown[k], begun[grown[k]]))
			return false;
	}
	return true;
}

/* Four times as large, again and again, as far as it may. */
static bool grows(enum sks_map map)
{
	const void *before = maps.memory[map];
	unsigned int fds = count_fds();
	bool ok = true;

	while (ok && maps.entries[map] < kinds[map].max) {
		uint32_t old = maps.entries[map];
		uint32_t entries = old < kinds[map].max / 4 ? 4 * old : kinds[map].max;
		uint64_t start_us = now_us();
		int err = sks_bpf_grow(dir, &maps, map, entries);
		uint64_t took = now_us() - start_us;

		printf("# %s from %u to %u: %llu.%llu ms\n", kinds[map].name, old, entries,
		       (unsigned long long)took / 1000, (unsigned long long)took / 100 % 10);
		if (err)
			printf("# %s %s\n", strerror(-err), sks_bpf_why());
		ok = !err && graced && maps.entries[map] == entries && maps.memory[map] == before &&
		     is_intact(map, begun[map]) && sockets_are_there();
	}
	return ok && pins_agree() && is_tidy() && count_fds() == fds;
}

/* As many as a child can, until it is told to end; writes how many into the pipe. */
static pid_t send_datagrams(int *ret_pipe)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	uint64_t sent = 0;
	int ends[2], fd;
	sigset_t set;
	pid_t pid;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	need(!pipe2(ends, O_CLOEXEC), "pipe");
	pid = fork();
	need(pid >= 0, "fork");
	if (pid) {
		close(ends[1]);
		*ret_pipe = ends[0];
		return pid;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	while (fd >= 0 && (sigpending(&set), !sigismember(&set, SIGTERM))) {
		for (int i = 0; i < BURST; i++)
			sent += sendto(fd, "", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1;
	}
	_exit(write(ends[1], &sent, sizeof(sent)) != sizeof(sent));
}

static bool counts_exactly(void)
{
	struct sks_counter sum = {};
	const struct sks_counter *past = &maps.services[3].past[SKS_UDP][SKS_V4];
	uint64_t sent = 0, counted;
	uint32_t entries = maps.entries[SKS_MAP_DESTS];
	int from = -1, err = 0;
	pid_t pid = send_datagrams(&from);

	for (int i = 1; !err && i <= 10; i++)
		err = sks_bpf_grow(dir, &maps, SKS_MAP_DESTS, entries + 16 * (uint32_t)i);
	kill(pid, SIGTERM);
	need(read(from, &sent, sizeof(sent)) == sizeof(sent), "the sender's count");
	close(from);
	waitpid(pid, NULL, 0);
	err = err ?: sks_bpf_counter(&maps, DEST, SKS_V4, &sum);
	counted = sum.steered + past->steered;
	printf("# %llu sent, %llu counted, %llu of them in between; %llu refused\n",
	       (unsigned long long)sent, (unsigned long long)counted,
	       (unsigned long long)past->steered, (unsigned long long)sum.refused);
	return !err && sent && counted == sent && !sum.refused && !past->refused;
}

static bool fails_whole(void)
{
	struct rlimit limit, low;
	uint32_t before = maps.entries[SKS_MAP_SLOTS];
	int link = maps.link;
	bool ok = sks_bpf_grow(dir, &maps, SKS_MAP_SLOTS, SKS_MAX_SLOTS + 1) == -ENOSPC;

	need(!getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
	low = limit;
	/* The lowest free number, and some more each time: it fails at every step. */
	for (rlim_t i = 0; ok && i < 64; i++) {
		int err;

		low.rlim_cur = (rlim_t)count_fds() - 3 + i;
		need(!setrlimit(RLIMIT_NOFILE, &low), "setrlimit");
		err = sks_bpf_grow(dir, &maps, SKS_MAP_SLOTS, before + 64);
		need(!setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
		if (!err)
			return i > 5 && maps.entries[SKS_MAP_SLOTS] == before + 64 && pins_agree();
		ok = *sks_bpf_why() && maps.entries[SKS_MAP_SLOTS] == before && is_tidy() &&
		     maps.link == link && pins_agree() && sockets_are_there() && all_intact();
		if (i % 8 == 0)
			printf("# %s: %s\n", strerror(-err), sks_bpf_why());
	}
	return false;
}

static bool reader_notices(void)
{
	struct sks_maps reader;
	bool ok;

	need_done(sks_bpf_open(dir, false, &reader), "sks_bpf_open, as a reader");
	ok = sks_bpf_is_settled(&reader) &&
	     !sks_bpf_grow(dir, &maps, SKS_MAP_SERVICES, maps.entries[SKS_MAP_SERVICES] + 16) &&
	     !sks_bpf_is_settled(&reader);
	sks_bpf_close(&reader);
	return ok;
}

/* --- a helper that is killed ------------------------------------------------------------------ */

/* These stand before the C library's and libbpf's own: a growth can be killed at every step of it.
 */
static unsigned int steps_to_live; /* 0: for ever */
static unsigned int bad_renames;   /* of those to come */

/* These three stand before helper/kernel.c's. */
bool sks_kernel_knows_ingress(void)
{
	return false;
}

bool sks_kernel_takes_global(void)
{
	return false;
}

void sks_kernel_grace(void)
{
	need(!syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0), "membarrier");
	graced = true;
}

static void step(void)
{
	if (steps_to_live && !--steps_to_live)
		raise(SIGKILL);
}

int chmod(const char *path, mode_t mode)
{
	step();
	return (int)syscall(SYS_fchmodat, AT_FDCWD, path, mode);
}

int rename(const char *from, const char *to)
{
	step();
	if (bad_renames) {
		bad_renames--;
		errno = ENOMEM;
		return -1;
	}
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int bpf_link_update(int link, int program, const struct bpf_link_update_opts *opts)
{
	union bpf_attr attr = { .link_update = { .link_fd = (__u32)link,
						 .new_prog_fd = (__u32)program } };
	long ret;

	step();
	ret = syscall(SYS_bpf, BPF_LINK_UPDATE, &attr, sizeof(attr));
	graced = false;
	step();
	return opts ? -1 : (int)ret;
}

/* How the child ended, which grew that map, and the next helper has taken up. */
static int grow_and_die(enum sks_map map, unsigned int steps)
{
	int status;
	pid_t pid = fork();

	need(pid >= 0, "fork");
	if (!pid) {
		need_done(sks_bpf_open(dir, true, &maps), "sks_bpf_open in a child");
		steps_to_live = steps;
		_exit(sks_bpf_grow(dir, &maps, map, maps.entries[map] + 16) != 0);
	}
	waitpid(pid, &status, 0);
	sks_bpf_close(&maps);
	need_done(sks_bpf_open(dir, true, &maps), "sks_bpf_open after a kill");
	return status;
}

static bool survives(enum sks_map map)
{
	uint32_t before = maps.entries[map];
	unsigned int steps = 0, grown_whole = 0;
	int status;

	do {
		status = grow_and_die(map, ++steps);
		grown_whole += (maps.entries[map] - before) / 16;
		before = maps.entries[map];
		if (!is_tidy() || !pins_agree() || !sockets_are_there() || !all_intact()) {
			printf("# %s, step %u: tidy %d, pins %d, sockets %d, contents %d\n",
			       kinds[map].name, steps, is_tidy(), pins_agree(), sockets_are_there(),
			       all_intact());
			return false;
		}
	} while (WIFSIGNALED(status));
	printf("# %s: killed at %u steps, of which %u were after it had happened\n",
	       kinds[map].name, steps - 1, grown_whole - 1);
	return WEXITSTATUS(status) == 0 && steps > 2;
}

/* The program runs already, and its pins could not be renamed: growing goes on all the same. */
static bool goes_on_misnamed(enum sks_map next)
{
	uint32_t before = maps.entries[SKS_MAP_DESTS], other = maps.entries[next];
	bool ok;

	bad_renames = SKS_MAP_COUNT + 1;
	ok = !sks_bpf_grow(dir, &maps, SKS_MAP_DESTS, before + 16) && !is_tidy();
	/* Nothing is given up that runs: not for a growth that fails, ... */
	bad_renames = SKS_MAP_COUNT + 1;
	ok = ok && sks_bpf_grow(dir, &maps, next, other + 16) && maps.entries[next] == other;
	bad_renames = 0;
	/* ... and the next one finishes it. */
	ok = ok && !sks_bpf_grow(dir, &maps, next, other + 16) && maps.entries[next] == other + 16;
	return ok && maps.entries[SKS_MAP_DESTS] == before + 16 && is_tidy() && pins_agree() &&
	       sockets_are_there() && all_intact();
}

int main(void)
{
	char what[128];

	printf("1..%zu\n", 2 * N_GROWN + 7);
	fflush(stdout);
	sks_bpf_set_log(NULL);
	start();
	memcpy(begun, maps.entries, sizeof(begun));
	fill();
	check(all_intact() && sockets_are_there() && pins_agree() && is_tidy(), "it begins");
	check(counts_exactly(), "no packet is lost or counted twice while its counters move");
	check(fails_whole(), "without descriptors all is as before, and it is said why");
	check(reader_notices(), "a reader notices that what it reads was replaced");
	check(goes_on_misnamed(SKS_MAP_SLOTS),
	      "pins that could not be renamed are, before the next");
	check(goes_on_misnamed(SKS_MAP_BINDINGS), "also where no program is replaced");
	for (size_t k = 0; k < N_GROWN; k++) {
		snprintf(what, sizeof(what), "killed at any step of it, the next one has all: %s",
			 kinds[grown[k]].name);
		check(survives(grown[k]), what);
	}
	for (size_t k = 0; k < N_GROWN; k++) {
		snprintf(what, sizeof(what), "%s grow to the most that there may be",
			 kinds[grown[k]].name);
		check(grows(grown[k]), what);
	}
	close(tcp);
	tcp = -1;
	check(sockets_are_there(), "a socket that is closed leaves the larger map too");
	sks_bpf_close(&maps);
	return 0;
}
