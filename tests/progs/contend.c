/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns two users who want the same port at the same time: contend [-l] [-c CPU] LIBRARY SOCKET
 * ROUNDS PLACE
 *
 * One of them, 65534, has it steered to a server of theirs on 127.0.0.1 port 7777, by the library
 * and strictly. The other, 65533, binds PLACE (ADDRESS#PORT[/udp]; with -l listens there) whenever
 * that works, for a moment. With -c it lives on that CPU, where the helper interrupts it in the
 * middle of a bind(2), and the first on another one. Each round has a port of its own, the next
 * one. Says how often the first got it, how often not, how often the other did, and how often both
 * had it: "GOT LOST OTHER BOTH".
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_HELD 8192

static struct shared {
	_Atomic int port;	    /* of this round; 0: none */
	_Atomic int quiet;	    /* the other one has seen that */
	_Atomic unsigned int held;  /* how often the other has had it */
	_Atomic int64_t got, until; /* from when to when the first had it for sure, or 0 */
	struct {
		int64_t from, to;
	} had[MAX_HELD];
} * shared;

static bool listens;
static int cpu = -1;

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void become(uid_t uid)
{
	if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid) ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL))
		err(2, "user %u", uid);
}

static bool take(const char *place, int port, bool listening, int *ret_fd)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool udp = strstr(place, "/udp"), v6 = strchr(place, ':');
	char addr[64];
	int one = 1;

	if (sscanf(place, "%63[^#/]", addr) != 1 ||
	    inet_pton(v6 ? AF_INET6 : AF_INET, addr,
		      v6 ? (void *)&in6.sin6_addr : (void *)&in.sin_addr) != 1)
		errx(2, "%s: no place", place);
	*ret_fd = socket(v6 ? AF_INET6 : AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
	if (!udp)
		setsockopt(*ret_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return !bind(*ret_fd, v6 ? (void *)&in6 : (void *)&in, v6 ? sizeof(in6) : sizeof(in)) &&
	       (!listening || udp || !listen(*ret_fd, 1));
}

static void live_on(int number)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(number, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		err(2, "no CPU %d", number);
}

static void run_other(const char *place)
{
	const int held = cpu < 0 ? 500000 : 15000, paused = cpu < 0 ? 50000 : 1;

	if (cpu >= 0)
		live_on(cpu);
	become(65533);
	for (;;) {
		int port = shared->port, fd;

		if (!port) {
			shared->quiet = 1;
			continue;
		}
		if (take(place, port, listens, &fd) && shared->held < MAX_HELD) {
			int64_t from = now();

			while (now() < from + rand() % held)
				;
			shared->had[shared->held].from = from;
			shared->had[shared->held].to = now();
			shared->held++;
		}
		close(fd);
		for (int64_t until = now() + rand() % paused; now() < until;)
			;
	}
}

/* In a program of its own, under the library: says so by its status. */
static void run_first(char **argv, int port)
{
	char spec[64];

	if (cpu >= 0)
		live_on(cpu + 1);
	become(65534);
	snprintf(spec, sizeof(spec), "any:%d%s", port, strstr(argv[3], "/udp") ? "/udp" : "");
	setenv("LD_PRELOAD", argv[0], 1);
	setenv("SKSTEER_SOCKET", argv[1], 1);
	setenv("SKSTEER_PORTS", spec, 1);
	setenv("SKSTEER_STRICT", "1", 1);
	setenv("SKSTEER_LOG", "error", 1);
	execl("/proc/self/exe", "contend", "--serve", argv[3], NULL);
	err(2, "exec");
}

/* The server of the first: what it says with its status is whether it has the port. */
static int serve(const char *place, struct shared *with)
{
	bool udp = strstr(place, "/udp"), v6 = strchr(place, ':');
	int fd;

	if (take(udp ? (v6 ? "::/udp" : "127.0.0.1/udp") : (v6 ? "::" : "127.0.0.1"), 7777, true,
		 &fd)) {
		with->got = now();
		usleep(2000);
		with->until = now();
	}
	return 0;
}

static void run_round(char **argv, int port, unsigned int counts[4])
{
	unsigned int before = shared->held;
	int64_t got;
	pid_t pid;
	bool both = false;

	shared->got = 0;
	shared->port = port;
	pid = fork();
	if (!pid)
		run_first(argv, port);
	waitpid(pid, NULL, 0);
	shared->quiet = 0;
	shared->port = 0;
	while (!shared->quiet)
		;
	got = shared->got;
	counts[got ? 0 : 1]++;
	counts[2] += shared->held != before;
	for (unsigned int i = before; got && i < shared->held; i++)
		both |= shared->had[i].to > got && shared->had[i].from < shared->until;
	counts[3] += both;
	shared->held = 0;
}

int main(int argc, char **argv)
{
	/* Found by its number: the program that the first one becomes has it, too. */
	const int memory = 40;
	bool serves = argc > 2 && !strcmp(argv[1], "--serve");
	unsigned int counts[4] = {};
	int port = 0, c;
	pid_t other;

	if (!serves &&
	    (dup2(memfd_create("contend", 0), memory) < 0 || ftruncate(memory, sizeof(*shared))))
		err(2, "memfd");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (shared == MAP_FAILED)
		err(2, "mmap");
	if (serves)
		return serve(argv[2], shared);
	while ((c = getopt(argc, argv, "lc:")) != -1) {
		listens |= c == 'l';
		cpu = c == 'c' ? atoi(optarg) : cpu;
	}
	argv += optind;
	if (argc - optind != 4 || sscanf(strchr(argv[3], '#') ?: "", "#%d", &port) != 1)
		errx(2, "[-l] [-c CPU] LIBRARY SOCKET ROUNDS PLACE");
	other = fork();
	if (!other)
		run_other(argv[3]);
	for (int i = 0; i < atoi(argv[2]); i++)
		run_round(argv, port + i, counts);
	kill(other, SIGKILL);
	printf("%u %u %u %u\n", counts[0], counts[1], counts[2], counts[3]);
	return 0;
}
