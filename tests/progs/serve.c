/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns a server whose lifetime the tests control: serve [-f] [-k] [-r] NAME ADDRESS#PORT[/udp]...
 *
 * Says "ready" once all its sockets listen. A client gets "NAME PORT", with the port that it
 * dialled, and the end of the stream; so the server's side closes first, and goes to TIME_WAIT.
 *	-f  a process per connection, which keeps it open until the client closes, and no listener
 *	-k  a child that has the listeners too; says "child PID" before "ready"
 *	-r  SO_REUSEPORT; -n  not even SO_REUSEADDR
 *	-cDIR  in that root, as nobody, when it opens them: chroot(2), setuid(2)
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FDS 512

static struct pollfd fds[MAX_FDS]; /* the listeners, then the connections */
static nfds_t n_listeners, n_fds;
static const char *name;
static bool forks, doubles, reuse_port, reuse_nothing;

static void parse_address(char *text, struct sockaddr_storage *ret, socklen_t *ret_len)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	char *hash = strchr(text, '#');
	in_port_t port;

	if (!hash)
		errx(2, "%s: no port", text);
	*hash = '\0';
	port = htons((uint16_t)atoi(hash + 1));
	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = port;
		*ret_len = sizeof(*in);
	} else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = port;
		*ret_len = sizeof(*in6);
	} else {
		errx(2, "%s: no address", text);
	}
}

static void open_listener(char *text)
{
	bool udp = strstr(text, "/udp");
	struct sockaddr_storage addr;
	int fd, one = 1;
	socklen_t len;

	parse_address(text, &addr, &len);
	/* Not blocking: where two processes wait for one listener, one of them gets the connection.
	 */
	fd = socket(addr.ss_family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK, 0);
	if (fd < 0)
		err(1, "socket");
	if (!reuse_nothing)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (reuse_port)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&addr, len))
		err(1, "bind");
	if (!udp && listen(fd, 128))
		err(1, "listen");
	fds[n_fds++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

static int format_answer(int fd, char *buf, size_t size)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	if (getsockname(fd, (struct sockaddr *)&addr, &len))
		return 0;
	/* The port is at the same place in both families. */
	return snprintf(buf, size, "%s %u\n", name, ntohs(((struct sockaddr_in *)&addr)->sin_port));
}

static void answer_datagram(int fd)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	char buf[256];

	if (recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from, &len) < 0)
		return;
	sendto(fd, buf, (size_t)format_answer(fd, buf, sizeof(buf)), 0, (struct sockaddr *)&from,
	       len);
}

static void close_listeners(void)
{
	for (nfds_t i = 0; i < n_listeners; i++)
		close(fds[i].fd);
}

static void keep_open(int conn)
{
	char buf[256];

	close_listeners();
	while (read(conn, buf, sizeof(buf)) > 0)
		;
	_exit(0);
}

static void accept_one(int listener)
{
	int conn = accept(listener, NULL, NULL);
	char buf[256];
	int len;

	if (conn < 0)
		return;
	len = format_answer(conn, buf, sizeof(buf));
	/* With the end of the stream: a client that has its answer may hang up before us otherwise.
	 */
	if (send(conn, buf, (size_t)len, MSG_NOSIGNAL | (forks ? 0 : MSG_MORE)) != len ||
	    n_fds == MAX_FDS) {
		close(conn);
	} else if (!forks) {
		shutdown(conn, SHUT_WR);
		fds[n_fds++] = (struct pollfd){ .fd = conn, .events = POLLIN };
	} else {
		if (fork() == 0)
			keep_open(conn);
		close(conn);
	}
}

static void take_event(nfds_t i)
{
	int type = 0;
	socklen_t len = sizeof(type);
	char buf[256];

	if (i < n_listeners) {
		getsockopt(fds[i].fd, SOL_SOCKET, SO_TYPE, &type, &len);
		if (type == SOCK_DGRAM)
			answer_datagram(fds[i].fd);
		else
			accept_one(fds[i].fd);
	} else if (read(fds[i].fd, buf, sizeof(buf)) <= 0) {
		close(fds[i].fd);
		fds[i] = fds[--n_fds];
	}
}

static void say(const char *line)
{
	ssize_t len = (ssize_t)strlen(line);

	if (write(STDOUT_FILENO, line, (size_t)len) != len)
		_exit(1);
}

/* True in the one that speaks for both. */
static bool become_two(void)
{
	pid_t pid = fork();
	char line[32];

	snprintf(line, sizeof(line), "child %d\n", (int)pid);
	if (pid > 0)
		say(line);
	return pid > 0;
}

static void jail(const char *dir)
{
	if (chroot(dir) || chdir("/") || setgroups(0, NULL) || setgid(65534) || setuid(65534))
		err(1, "%s", dir);
}

int main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "fkrnc:")) != -1) {
		if (c == 'c')
			jail(optarg);
		forks |= c == 'f';
		doubles |= c == 'k';
		reuse_port |= c == 'r';
		reuse_nothing |= c == 'n';
	}
	name = argv[optind];
	signal(SIGCHLD, SIG_IGN);
	for (int i = optind + 1; i < argc && n_fds < MAX_FDS; i++)
		open_listener(argv[i]);
	n_listeners = n_fds;
	if (!doubles || become_two())
		say("ready\n");
	for (;;) {
		if (poll(fds, n_fds, -1) < 0)
			err(1, "poll");
		for (nfds_t i = n_fds; i-- > 0;) {
			if (fds[i].revents)
				take_event(i);
		}
	}
}
