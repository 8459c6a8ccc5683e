/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns a server that sets up its stand word by word, then serves until it is killed: stand WORD...
 *
 *	NAME=tcp:ADDRESS#PORT[,OPTION]...	binds and listens (udp: binds)
 *	listen	on every socket that is only bound
 *	shutdown, close	of every socket
 *	hide	not to be dumped, nor to be traced
 *	pause	says "paused", and goes on at SIGUSR1
 *	fork	a child goes on with the words; the parent serves what it has
 *	exec	closes all, and goes on as a program executed anew
 *
 * OPTION is v6only, reuse (SO_REUSEPORT), dev=INTERFACE, bound (listen comes later), fresh (no
 * SO_REUSEADDR), block (no O_NONBLOCK), tell (says "NAME is PORT", as getsockname(2) has it), or
 *keep (a connection stays open, and what it sends comes back). ADDRESS may end in %INTERFACE.
 *
 * Says "ready" at the end of the words. A client hears "NAME PORT" with the port that it dialled (0
 * by UDP). What fails says "NAME bind EADDRINUSE" or the like, and is closed.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_SOCKETS 256

static struct {
	char name[32];
	int type; /* 0: a connection */
	int listens;
	int later, fresh, tells, keeps;
} stands[MAX_SOCKETS];
static struct pollfd fds[MAX_SOCKETS];
static nfds_t n_fds;

static void say(const char *a, const char *b, const char *c)
{
	char line[128];
	int len =
		snprintf(line, sizeof(line), "%s%s%s%s%s\n", a, *b ? " " : "", b, *c ? " " : "", c);

	/* One write: several processes share this file. */
	if (write(STDOUT_FILENO, line, (size_t)len) != len)
		_exit(1);
}

static socklen_t parse_address(char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	char *hash = strchr(text, '#'), *percent = strchr(text, '%');
	in_port_t port;

	if (!hash)
		errx(2, "no port: %s", text);
	*hash = '\0';
	port = htons((uint16_t)atoi(hash + 1));
	if (percent)
		*percent = '\0';
	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = port;
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1)
		errx(2, "no address: %s", text);
	in6->sin6_family = AF_INET6;
	in6->sin6_port = port;
	in6->sin6_scope_id = percent ? if_nametoindex(percent + 1) : 0;
	return sizeof(*in6);
}

static void set_option(int fd, int level, int option, const void *value, socklen_t len)
{
	if (setsockopt(fd, level, option, value, len))
		err(2, "setsockopt %d", option);
}

static void set_options(nfds_t i, char *options)
{
	int fd = fds[i].fd, one = 1;
	char *word;

	while ((word = strsep(&options, ","))) {
		if (!strcmp(word, "v6only"))
			set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
		else if (!strcmp(word, "reuse"))
			set_option(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
		else if (!strncmp(word, "dev=", 4))
			set_option(fd, SOL_SOCKET, SO_BINDTODEVICE, word + 4,
				   (socklen_t)strlen(word + 4));
		else if (!strcmp(word, "bound"))
			stands[i].later = 1;
		else if (!strcmp(word, "fresh"))
			stands[i].fresh = 1;
		else if (!strcmp(word, "tell"))
			stands[i].tells = 1;
		else if (!strcmp(word, "keep"))
			stands[i].keeps = 1;
		else if (!strcmp(word, "block"))
			fcntl(fd, F_SETFL, 0);
		else
			errx(2, "no such option: %s", word);
	}
	if (!stands[i].fresh)
		set_option(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
}

static void fail(nfds_t i, const char *call)
{
	say(stands[i].name, call, strerrorname_np(errno));
	close(fds[i].fd);
	fds[i].fd = -1; /* poll(2) passes over it */
}

static unsigned int port_of(int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	if (getsockname(fd, (struct sockaddr *)&addr, &len))
		return 0;
	/* At the same place in both families. */
	return ntohs(((struct sockaddr_in *)&addr)->sin_port);
}

static void do_listen(nfds_t i)
{
	if (fds[i].fd < 0 || stands[i].listens || stands[i].type != SOCK_STREAM)
		return;
	stands[i].listens = 1;
	if (listen(fds[i].fd, 128))
		fail(i, "listen");
}

static void open_stand(char *word)
{
	char *equals = strchr(word, '='), *colon = equals ? strchr(equals, ':') : NULL;
	char *options = colon ? strchr(colon, ',') : NULL;
	struct sockaddr_storage addr;
	nfds_t i = n_fds;
	char port[16];
	socklen_t len;

	if (!colon || n_fds == MAX_SOCKETS)
		errx(2, "not NAME=tcp:ADDRESS#PORT or one too many: %s", word);
	if (options)
		*options++ = '\0';
	snprintf(stands[i].name, sizeof(stands[i].name), "%.*s", (int)(equals - word), word);
	stands[i].type = strncmp(equals, "=udp:", 5) ? SOCK_STREAM : SOCK_DGRAM;
	len = parse_address(colon + 1, &addr);
	/* Where two processes wait for one listener, one of them gets the connection. */
	fds[i].fd = socket(addr.ss_family, stands[i].type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fds[i].fd < 0)
		err(2, "socket");
	fds[i].events = POLLIN;
	n_fds++;
	set_options(i, options);
	if (bind(fds[i].fd, (struct sockaddr *)&addr, len)) {
		fail(i, "bind");
		return;
	}
	snprintf(port, sizeof(port), "%u", port_of(fds[i].fd));
	if (stands[i].tells)
		say(stands[i].name, "is", port);
	if (!stands[i].later)
		do_listen(i);
}

static void on_signal(int sig)
{
	(void)sig;
}

static void do_pause(void)
{
	sigset_t usr1, old;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, &old);
	say("paused", "", "");
	sigdelset(&old, SIGUSR1);
	sigsuspend(&old);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void do_shutdown(void)
{
	for (nfds_t i = 0; i < n_fds; i++) {
		if (fds[i].fd >= 0 && shutdown(fds[i].fd, SHUT_RDWR))
			say(stands[i].name, "shutdown", strerrorname_np(errno));
	}
}

static void do_close(void)
{
	for (nfds_t i = 0; i < n_fds; i++) {
		if (fds[i].fd >= 0)
			close(fds[i].fd);
		fds[i].fd = -1;
	}
}

static void answer_datagram(nfds_t i)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	char buf[64];
	int n;

	if (recvfrom(fds[i].fd, buf, sizeof(buf), 0, (struct sockaddr *)&addr, &len) < 0)
		return;
	n = snprintf(buf, sizeof(buf), "%s 0\n", stands[i].name);
	(void)!sendto(fds[i].fd, buf, (size_t)n, 0, (struct sockaddr *)&addr, len);
}

static void send_back(nfds_t i)
{
	char buf[256];
	ssize_t n = read(fds[i].fd, buf, sizeof(buf));

	if (n > 0 && send(fds[i].fd, buf, (size_t)n, MSG_NOSIGNAL) == n)
		return;
	close(fds[i].fd);
	fds[i].fd = -1;
}

static void keep(int fd)
{
	nfds_t i = 0;

	while (i < n_fds && (fds[i].fd >= 0 || stands[i].type))
		i++;
	if (i == MAX_SOCKETS)
		errx(1, "too many connections");
	fds[i] = (struct pollfd){ .fd = fd, .events = POLLIN };
	stands[i].type = 0;
	if (i == n_fds)
		n_fds++;
}

static void answer(nfds_t i)
{
	char buf[64];
	int fd, n;

	fd = accept(fds[i].fd, NULL, NULL);
	if (fd < 0)
		return;
	n = snprintf(buf, sizeof(buf), "%s %u\n", stands[i].name, port_of(fd));
	(void)!send(fd, buf, (size_t)n, MSG_NOSIGNAL);
	if (stands[i].keeps)
		keep(fd);
	else
		close(fd);
}

static void serve(void)
{
	for (;;) {
		if (poll(fds, n_fds, -1) < 0 && errno != EINTR)
			err(1, "poll");
		for (nfds_t i = 0; i < n_fds; i++) {
			if (fds[i].fd < 0 || !(fds[i].revents & POLLIN))
				continue;
			if (stands[i].type == SOCK_STREAM)
				answer(i);
			else if (stands[i].type == SOCK_DGRAM)
				answer_datagram(i);
			else
				send_back(i);
		}
	}
}

int main(int argc, char **argv)
{
	(void)argc;
	signal(SIGUSR1, on_signal);
	signal(SIGCHLD, SIG_IGN);
	for (char **word = argv + 1; *word; word++) {
		if (!strcmp(*word, "fork")) {
			if (fork() > 0)
				serve();
		} else if (!strcmp(*word, "exec")) {
			*word = argv[0];
			execv(argv[0], word);
			err(2, "%s", argv[0]);
		} else if (!strcmp(*word, "listen")) {
			for (nfds_t i = 0; i < n_fds; i++)
				do_listen(i);
		} else if (!strcmp(*word, "shutdown")) {
			do_shutdown();
		} else if (!strcmp(*word, "close")) {
			do_close();
		} else if (!strcmp(*word, "hide")) {
			prctl(PR_SET_DUMPABLE, 0);
		} else if (!strcmp(*word, "pause")) {
			do_pause();
		} else {
			open_stand(*word);
		}
	}
	say("ready", "", "");
	serve();
}
