// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns the CPU time of a whole connection: connect, accept, close on both sides.
 *
 *	connections [-6] [-a] [-e] [-u] [-g GENERATIONS] [-r ROUNDS] [-n NUMBER] VARIANT...
 *
 * A variant is NAME,NETNS,LISTEN,DIAL[,floor|,held]: a process that is client and server at once,
 * in the network namespace NETNS. Over loopback the kernel does the work of both ends inside its
 * system calls, so its own CPU clock counts all of it, in nanoseconds, and nobody else's.
 * LISTEN and DIAL are ports or ranges; more listeners than a process may have are spread over
 * several. "floor" attaches the smallest program that steers; "held" has a socket bound to the
 * port dialled, not listening, as a placeholder would be.
 *
 * In each round the variants take turns of NUMBER connections. A generation is ROUNDS rounds of
 * the same processes and sockets: where those happen to lie in memory makes more difference than
 * chance does within a generation.
 *
 * -6: ::1; -a: bound to the loopback address, not to the wildcard; -e: the server waits in epoll;
 * -u: datagrams instead of connections.
 *
 * Prints for each variant: name, fewest nanoseconds, and the median over the generations of the
 * ratio of its fewest to the first variant's.
 */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "peers.h"

#define VARIANTS_MAX	8
#define WORKERS_MAX	8
#define GENERATIONS_MAX 64

struct variant {
	char *name, *netns;
	bool is_floor, is_held;
	struct ports listen, dial;
	int channels[WORKERS_MAX], n_workers;
	pid_t pids[WORKERS_MAX];
	double least; /* of this generation */
	double leasts[GENERATIONS_MAX], ratios[GENERATIONS_MAX];
};

struct worker {
	struct ports dial;
	int listener; /* the last one opened */
	int epoll;
	int client; /* -u: the sending socket */
	unsigned long walked;
};

static bool in_epoll, udp, bound_to_address;
static int family = AF_INET;
static const char *loopback = "127.0.0.1";

static int open_bound(int port)
{
	return bound_socket(family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC,
			    bound_to_address ? loopback : NULL, port);
}

static int open_listener(int port)
{
	int fd = open_bound(port);

	if (!udp)
		need(!listen(fd, 4096), "listen");
	return fd;
}

static void send_one(struct worker *w, const struct sockaddr_storage *address, socklen_t length)
{
	char byte = 'x';

	if (sendto(w->client, &byte, 1, 0, (const struct sockaddr *)address, length) != 1 ||
	    recv(w->listener, &byte, 1, MSG_DONTWAIT) != 1)
		err(1, "datagram");
}

static void connect_one(struct worker *w, const struct sockaddr_storage *address, socklen_t length)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), listener = w->listener, accepted;
	struct epoll_event event;

	if (fd < 0)
		err(1, "socket");
	close_resets(fd);
	if (connect(fd, (const struct sockaddr *)address, length))
		err(1, "connect");
	if (in_epoll) {
		if (epoll_wait(w->epoll, &event, 1, 1000) != 1)
			errx(1, "no connection arrived");
		listener = event.data.fd;
	}
	accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (accepted < 0)
		err(1, "accept");
	close(fd);
	close(accepted);
}

static void take_turn(struct worker *w, int number)
{
	struct sockaddr_storage address;
	socklen_t length;

	while (number--) {
		length = address_of(&address, family, loopback, ports_walk(w->dial, w->walked++));
		if (udp)
			send_one(w, &address, length);
		else
			connect_one(w, &address, length);
	}
}

/* Opens the listeners, says so, then takes turns: each request is a number of connections. */
static _Noreturn void work(const struct variant *v, struct ports listen_on, struct ports dial,
			   int channel)
{
	struct worker w = { .dial = dial, .epoll = epoll_create1(EPOLL_CLOEXEC) };
	struct epoll_event event = { .events = EPOLLIN };
	uint64_t spent = 0;
	int number, port;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	enter_netns(v->netns);
	for (port = listen_on.first; port <= listen_on.last; port++) {
		event.data.fd = w.listener = open_listener(port);
		if (epoll_ctl(w.epoll, EPOLL_CTL_ADD, w.listener, &event))
			err(1, "epoll");
	}
	if (v->is_held)
		open_bound(dial.first);
	if (v->is_floor)
		steer_as_peer(w.listener, NULL);
	w.client = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	take_turn(&w, 1);
	while (write(channel, &spent, sizeof(spent)) == sizeof(spent) &&
	       read(channel, &number, sizeof(number)) == sizeof(number)) {
		take_turn(&w, number / 8); /* what the others left in the caches is not ours */
		spent = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		take_turn(&w, number);
		spent = clock_ns(CLOCK_THREAD_CPUTIME_ID) - spent;
	}
	_exit(0);
}

static uint64_t answer_of(int channel)
{
	uint64_t spent;

	if (read(channel, &spent, sizeof(spent)) != sizeof(spent))
		errx(1, "a variant failed");
	return spent;
}

static void start_workers(struct variant *v)
{
	int n = ports_count(v->listen), i, pair[2];
	struct ports part, dial;

	v->n_workers = (n + LISTENERS_MAX - 1) / LISTENERS_MAX;
	for (i = 0; i < v->n_workers; i++) {
		part.first = v->listen.first + n * i / v->n_workers;
		part.last = v->listen.first + n * (i + 1) / v->n_workers - 1;
		dial = v->n_workers > 1 ? part : v->dial;
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
			err(1, "socketpair");
		v->pids[i] = fork();
		if (!v->pids[i])
			work(v, part, dial, pair[1]);
		close(pair[1]);
		v->channels[i] = pair[0];
		answer_of(pair[0]);
	}
}

static double measure(struct variant *v, int number)
{
	int part = number / v->n_workers, i;
	uint64_t spent = 0;

	for (i = 0; i < v->n_workers; i++) {
		if (write(v->channels[i], &part, sizeof(part)) != sizeof(part))
			err(1, "a variant");
		spent += answer_of(v->channels[i]);
	}
	return (double)spent / (part * v->n_workers);
}

static void stop_workers(struct variant *v)
{
	while (v->n_workers--) {
		close(v->channels[v->n_workers]);
		kill(v->pids[v->n_workers], SIGKILL);
		waitpid(v->pids[v->n_workers], NULL, 0);
	}
}

static void run_generation(struct variant *variants, int n, int generation, int rounds, int number)
{
	int i, round;

	for (i = 0; i < n; i++) {
		variants[i].least = 1e18;
		start_workers(&variants[i]);
	}
	/* Each round begins one further: to be first, or after a certain one, favours nobody. */
	for (round = 0; round < rounds; round++)
		for (i = 0; i < n; i++) {
			struct variant *v = &variants[(round + i) % n];
			double turn = measure(v, number);

			if (turn < v->least)
				v->least = turn;
		}
	for (i = 0; i < n; i++) {
		variants[i].leasts[generation] = variants[i].least;
		variants[i].ratios[generation] = variants[i].least / variants[0].least;
		stop_workers(&variants[i]);
	}
}

static void parse_variant(struct variant *v, char *text)
{
	char *listen_on, *dial;

	v->name = strsep(&text, ",");
	v->netns = strsep(&text, ",");
	listen_on = strsep(&text, ",");
	dial = strsep(&text, ",");
	v->is_floor = text && !strcmp(text, "floor");
	v->is_held = text && !strcmp(text, "held");
	if (!dial || (text && !v->is_floor && !v->is_held))
		errx(2, "a variant is NAME,NETNS,LISTEN,DIAL[,floor|,held]");
	v->listen = ports_parse(listen_on);
	v->dial = ports_parse(dial);
	if (ports_count(v->listen) > LISTENERS_MAX * WORKERS_MAX)
		errx(2, "too many listeners");
}

int main(int argc, char **argv)
{
	static struct variant variants[VARIANTS_MAX];
	int option, number = 500, rounds = 15, generations = 5, n = 0, i;

	while ((option = getopt(argc, argv, "6aeug:r:n:")) != -1) {
		if (option == '6')
			family = AF_INET6, loopback = "::1";
		else if (option == 'a')
			bound_to_address = true;
		else if (option == 'e')
			in_epoll = true;
		else if (option == 'u')
			udp = true;
		else if (option == 'g')
			generations = atoi(optarg);
		else if (option == 'r')
			rounds = atoi(optarg);
		else if (option == 'n')
			number = atoi(optarg);
		else
			return 2;
	}
	allow_listeners();
	if (rounds < 1 || number < 8 || generations < 1 || generations > GENERATIONS_MAX ||
	    argc - optind < 1 || argc - optind > VARIANTS_MAX)
		errx(2, "what is the number of rounds, connections, generations, variants?");
	for (; argv[optind]; n++, optind++)
		parse_variant(&variants[n], argv[optind]);
	for (i = 0; i < generations; i++)
		run_generation(variants, n, i, rounds, number);
	for (i = 0; i < n; i++)
		printf("%s\t%.1f\t%.4f\n", variants[i].name,
		       quantile(variants[i].leasts, (size_t)generations, 0),
		       quantile(variants[i].ratios, (size_t)generations, 0.5));
	return 0;
}
