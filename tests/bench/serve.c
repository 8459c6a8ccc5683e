// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns the server that every way to open ports is given in the bench: it accepts, sends one byte
 * and closes.
 *
 *	serve [-t] [-s PORTS] [-x PORTS] ADDRESS PORTS
 *
 * -t: IP_TRANSPARENT, for TPROXY; -s: steers PORTS to its socket itself, as the seeds show; -x:
 * opens nothing but PORTS for the command that follows instead of an address, as systemd would
 * (LISTEN_FDS). More listeners than a process may have are spread over several.
 */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include "peers.h"

static bool transparent;

static int open_listener(const char *address, int port, int cloexec)
{
	int fd = bound_socket(family_of(address), SOCK_STREAM | cloexec, address, port);

	if (transparent)
		set_option(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
	need(!listen(fd, 4096), "listen");
	return fd;
}

static void answer(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0 && errno != ECONNABORTED)
		err(1, "accept");
	if (fd < 0)
		return;
	if (send(fd, "x", 1, MSG_NOSIGNAL) != 1 && errno != ECONNRESET && errno != EPIPE)
		err(1, "send");
	close(fd);
}

static _Noreturn void serve_one(const char *address, int port, const struct ports *steered)
{
	int listener = open_listener(address, port, SOCK_CLOEXEC);

	if (steered)
		steer_as_peer(listener, steered);
	for (;;)
		answer(listener);
}

static _Noreturn void serve_many(const char *address, struct ports ports)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), port;
	struct epoll_event event = { .events = EPOLLIN };

	for (port = ports.first; port <= ports.last; port++) {
		event.data.fd = open_listener(address, port, SOCK_CLOEXEC);
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event))
			err(1, "epoll");
	}
	for (;;)
		if (epoll_wait(epoll, &event, 1, -1) == 1)
			answer(event.data.fd);
}

/* systemd's way: the sockets are the descriptors from 3 on. */
static _Noreturn void hand_over(struct ports ports, char **command)
{
	char count[16], pid[16];
	int port;

	close_range(3, ~0u, 0);
	for (port = ports.first; port <= ports.last; port++)
		open_listener("0.0.0.0", port, 0);
	snprintf(count, sizeof(count), "%d", ports_count(ports));
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_FDS", count, 1);
	setenv("LISTEN_PID", pid, 1);
	execvp(command[0], command);
	err(1, "%s", command[0]);
}

/* Returns this process's share of the ports: the others are forked, and die with us. */
static struct ports split(struct ports ports)
{
	struct ports part = ports;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	while (ports_count(ports) > LISTENERS_MAX) {
		part.first = ports.first;
		part.last = ports.first + LISTENERS_MAX - 1;
		ports.first += LISTENERS_MAX;
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			return part;
		}
	}
	return ports;
}

int main(int argc, char **argv)
{
	struct ports steered = { 0 }, handed = { 0 }, ports;
	int option;

	while ((option = getopt(argc, argv, "+ts:x:")) != -1) {
		if (option == 't')
			transparent = true;
		else if (option == 's')
			steered = ports_parse(optarg);
		else if (option == 'x')
			handed = ports_parse(optarg);
		else
			return 2;
	}
	if (argc - optind < (handed.first ? 1 : 2))
		errx(2, "which address and ports?");
	allow_listeners();
	if (handed.first)
		hand_over(split(handed), argv + optind);
	ports = split(ports_parse(argv[optind + 1]));
	if (ports_count(ports) > 1)
		serve_many(argv[optind], ports);
	serve_one(argv[optind], ports.first, steered.first ? &steered : NULL);
}
