/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the cases of udphazard.c in which a server's socket is closed, and not by libc's close(2):
 * what gets its number afterwards is read and written as what it is.
 */
#ifndef SKSTEER_UDPHAZARD_CLOSED_H
#define SKSTEER_UDPHAZARD_CLOSED_H

#include <sys/uio.h>

#include "udphazard.h"

/* By instruction, or as stdio does. */
static void close_unseen(int fd, bool by_stdio)
{
	FILE *file = by_stdio ? fdopen(fd, "r+") : NULL;

	if (by_stdio ? !file || fclose(file) : sks_raw(SYS_close, fd) != 0)
		err(2, "close");
}

/* A server's socket that has answered, and is closed. Its number. */
static int closed_server(bool by_stdio)
{
	int server = new_server(), client = new_client();

	ask(client, "question");
	serve_one(server);
	hear("client", client);
	if (close(client))
		err(2, "close");
	close_unseen(server, by_stdio);
	return server;
}

/* fd, which has to have that number. */
static int at_number(int number, int fd)
{
	if (fd != number)
		errx(2, "%d has another number than %d", fd, number);
	return fd;
}

static void say_call(const char *what, ssize_t result, const char *text)
{
	if (result < 0)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: %.*s\n", what, (int)result, text);
}

static void closed_file(void)
{
	for (int i = 0; i < 2; i++) {
		int fd = closed_server(i);
		char text[16];
		struct iovec iov = { text, sizeof(text) };

		at_number(fd, open("/proc/self/comm", O_RDONLY));
		say_call("read", read(fd, text, 4), text);
		say_call("readv", readv(fd, &iov, 1), text);
		say_call("recv", recv(fd, text, 4, 0), text);
		close(fd);
		at_number(fd, memfd());
		if (write(fd, "abcd", 4) != 4)
			warn("write");
		say_call("pread", pread(fd, text, 16, 0), text);
		close(fd);
	}
}

/* Both ends, one at the number. */
static int tcp_pair(int *ret_other)
{
	union address at = address_of(INADDR_LOOPBACK, 0);
	int listener, fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(at);

	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (listener < 0 || bind(listener, &at.any, sizeof(at.in)) || listen(listener, 1) ||
	    getsockname(listener, &at.any, &len) || connect(fd, &at.any, sizeof(at.in)))
		err(2, "a connection");
	*ret_other = accept(listener, NULL, NULL);
	if (*ret_other < 0)
		err(2, "accept");
	close(listener);
	return fd;
}

static void closed_tcp(void)
{
	for (int i = 0; i < 2; i++) {
		int fd = closed_server(i), other;
		char text[16];
		union address peer = {};
		socklen_t len = sizeof(peer);
		struct iovec iov = { text, 4 };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

		at_number(fd, tcp_pair(&other));
		if (write(other, "readrecvfrommesg", 16) != 16)
			err(2, "write");
		say_call("read", read(fd, text, 4), text);
		say_call("recv", recv(fd, text, 4, MSG_WAITALL), text);
		say_call("recvfrom", recvfrom(fd, text, 4, 0, &peer.any, &len), text);
		say_call("recvmsg", recvmsg(fd, &msg, 0), text);
		if (send(fd, "send", 4, 0) != 4 || write(fd, "writ", 4) != 4 ||
		    sendmsg(fd, &msg, 0) != 4)
			warn("sending");
		say_call("other", recv(other, text, 12, MSG_WAITALL), text);
		close(other);
		close(fd);
	}
}

static unsigned int count_fds(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Of those for which there is no room, none is left open. */
static void pass_too_many(int fd, int other)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))] = "";
	int fds[4] = { fd, fd, fd, fd };
	char text[16] = "many";
	struct iovec iov = { text, 4 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control };
	unsigned int before = count_fds();
	int got = -1;

	add_control(&msg, SOL_SOCKET, SCM_RIGHTS, fds, sizeof(fds));
	if (sendmsg(other, &msg, 0) != 4)
		err(2, "sendmsg");
	msg.msg_controllen = CMSG_LEN(sizeof(int));
	say_call("recvmsg", recvmsg(fd, &msg, MSG_CMSG_CLOEXEC), text);
	printf("flags %x, control %zu, %u more\n", (unsigned int)msg.msg_flags, msg.msg_controllen,
	       count_fds() - before);
	memcpy(&got, CMSG_DATA((struct cmsghdr *)control), sizeof(got));
	printf("closed on exec: %d\n", fcntl(got, F_GETFD) == FD_CLOEXEC);
	close(got);
}

/* The server's socket comes by SCM_RIGHTS, and gets the number of another one, which was used. */
static void given(void)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = "";
	int used = socket(AF_INET, SOCK_DGRAM, 0), server = new_server(), client = new_client();
	int pair[2], got;
	char text[16] = "text";
	struct iovec iov = { text, 4 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control };

	say_call("used", recv(used, text, 4, MSG_DONTWAIT), text);
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
		err(2, "socketpair");
	add_control(&msg, SOL_SOCKET, SCM_RIGHTS, &server, sizeof(server));
	if (sendmsg(pair[1], &msg, 0) != 4)
		err(2, "sendmsg");
	close(used);
	if (recvmsg(pair[0], &msg, 0) != 4)
		err(2, "recvmsg");
	memcpy(&got, CMSG_DATA((struct cmsghdr *)control), sizeof(got));
	printf("it has the number: %d\n", got == used);
	ask(client, "question");
	serve_one(got);
	hear("client", client);
}

/* A descriptor goes through it. */
static void closed_rights(void)
{
	for (int i = 0; i < 2; i++) {
		_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = "";
		int fd = closed_server(i), pair[2], file, got;
		char text[16] = "text";
		struct iovec iov = { text, 4 };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control };

		if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
			err(2, "socketpair");
		at_number(fd, pair[0]);
		pass_too_many(fd, pair[1]);
		file = memfd();
		if (write(file, "file", 4) != 4)
			err(2, "write");
		add_control(&msg, SOL_SOCKET, SCM_RIGHTS, &file, sizeof(file));
		if (sendmsg(pair[1], &msg, 0) != 4)
			err(2, "sendmsg");
		say_call("recvmsg", recvmsg(fd, &msg, 0), text);
		printf("flags %x, control %zu\n", (unsigned int)msg.msg_flags, msg.msg_controllen);
		memcpy(&got, CMSG_DATA((struct cmsghdr *)control), sizeof(got));
		say_call("passed", pread(got, text, 16, 0), text);
		if (sendmsg(fd, &msg, 0) != 4)
			warn("sendmsg back");
		memset(control, 0, sizeof(control));
		say_call("back", recvmsg(pair[1], &msg, 0), text);
		printf("flags %x, control %zu\n", (unsigned int)msg.msg_flags, msg.msg_controllen);
		close(file);
		close(got);
		close(pair[1]);
		close(fd);
	}
}

/* The number of the socket that the library has for its answers, if there is any. */
static int highest_socket(int beyond)
{
	for (int fd = 4999; fd > beyond; fd--) {
		if (fcntl(fd, F_GETFD) >= 0)
			return fd;
	}
	return 1000;
}

/* What is not the server's is closed, and the number is another client's from then on. */
static void closed_all(void)
{
	int server = new_server(), client = new_client(), number, other, fd;
	char text[16] = "";

	ask(client, "question");
	serve_one(server);
	hear("client", client);
	number = highest_socket(client);
	closefrom(client + 1);
	fd = tcp_pair(&other);
	if (dup2(fd, number) != number || close(fd))
		err(2, "dup2");
	for (int i = 0; i < 2; i++) {
		ask(client, "secret");
		serve_one(server);
		hear("client", client);
	}
	say_call("other", recv(other, text, sizeof(text), MSG_DONTWAIT), text);
	if (write(number, "own", 3) != 3)
		warn("write");
	say_call("other", recv(other, text, 3, MSG_WAITALL), text);
}

/* Another UDP socket, which asks the same peer's address, and hears it. */
static void closed_client(void)
{
	for (int i = 0; i < 2; i++) {
		int server = new_server(), asker = bound_to(INADDR_LOOPBACK, 4000), fd = server;
		_Alignas(struct cmsghdr) char control[128];
		union address peer = address_of(INADDR_LOOPBACK, 4000), from = {};
		char text[100];
		struct iovec iov = { text, sizeof(text) };
		struct msghdr msg = { .msg_name = &from,
				      .msg_namelen = sizeof(from),
				      .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof(control) };

		ask(asker, "question");
		serve_one(server);
		hear("asker", asker);
		close_unseen(server, i);
		at_number(fd, bound_to(INADDR_LOOPBACK, 4001));
		option(fd, IPPROTO_IP, IP_RECVORIGDSTADDR, 1);
		give_answer(fd, "stranger", &peer, 0);
		hear("asker", asker);
		ask_at(asker, 4001, "back");
		say_call("stranger", recvmsg(fd, &msg, 0), text);
		printf("control %zu, from %u\n", msg.msg_controllen, address_port(&from));
		close(asker);
		close(fd);
	}
}

#endif
