/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the cases of udphazard.c in which a server connects the socket that all clients ask. */
#ifndef SKSTEER_UDPHAZARD_CONNECT_H
#define SKSTEER_UDPHAZARD_CONNECT_H

#include <sys/epoll.h>

#include "udphazard.h"

#define CLIENTS 3

/* One after the other: answered by a socket that is connected to each, and in between to nobody. */
static void dissolves(void)
{
	const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	int server = new_server(), clients[CLIENTS];
	char text[100];

	for (int i = 0; i < CLIENTS; i++)
		clients[i] = new_client();
	for (int i = 0; i < 2 * CLIENTS; i++) {
		union address peer;

		ask(clients[i % CLIENTS], "question");
		peer = take_question(server, text);
		if (connect(server, &peer.any, sizeof(peer.in)))
			err(2, "connect");
		if (send(server, text, strlen(text), 0) < 0)
			err(2, "send");
		hear("client", clients[i % CLIENTS]);
		if (connect(server, &nobody, sizeof(nobody)))
			err(2, "connect to nobody");
	}
}

/* The peers are known by what they have asked before; then it talks to one after the other. */
static void moves_on(void)
{
	int server = new_server(), clients[CLIENTS];
	union address peers[CLIENTS];
	char text[100];

	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = new_client();
		ask(clients[i], "question");
		peers[i] = take_question(server, text);
	}
	for (int i = 0; i < CLIENTS; i++) {
		if (connect(server, &peers[i].any, sizeof(peers[i].in)))
			err(2, "connect");
		if (send(server, "answer", 6, 0) < 0)
			err(2, "send");
		hear("client", clients[i]);
		ask(clients[i], "more");
		if (recv(server, text, sizeof(text), 0) != 4)
			printf("server: %s\n", strerrorname_np(errno));
		if (send(server, "more", 4, 0) < 0)
			err(2, "send");
		hear("client", clients[i]);
	}
}

static void wait_event(int epoll)
{
	struct epoll_event event = {};
	int n = epoll_wait(epoll, &event, 1, 5000);

	printf("epoll: %d event, data %x\n", n, event.data.u32);
}

/* What waits for events goes on doing so when the socket is connected. */
static void polled(void)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = 0xabc };
	int server = new_server(), client = new_client(), epoll = epoll_create1(0);
	struct f_owner_ex owner = { F_OWNER_PID, getpid() };
	union address peer;
	char text[100];

	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, server, &event))
		err(2, "epoll");
	if (fcntl(server, F_SETOWN_EX, &owner) || fcntl(server, F_SETSIG, SIGUSR2))
		err(2, "fcntl");
	ask(client, "first");
	wait_event(epoll);
	peer = take_question(server, text);
	if (connect(server, &peer.any, sizeof(peer.in)) || send(server, text, strlen(text), 0) < 0)
		err(2, "connect, send");
	hear("client", client);
	ask(client, "second");
	wait_event(epoll);
	serve_one(server);
	hear("client", client);
	owner.pid = 0;
	if (fcntl(server, F_GETOWN_EX, &owner))
		err(2, "F_GETOWN_EX");
	printf("owner kept: %d, signal kept: %d\n", owner.pid == getpid(),
	       fcntl(server, F_GETSIG) == SIGUSR2);
}

/* A child connects its copy of the socket; what others have asked is still the parent's. */
static void forks(void)
{
	int server = new_server(), first = new_client(), second = new_client();
	union address peer;
	char text[100];
	pid_t child;

	ask(first, "one");
	peer = take_question(server, text);
	ask(second, "two");
	ask(second, "three");
	child = forked();
	if (!child) {
		int fresh = dup(server); /* so that where nothing steers the parent's lives, too */

		if (connect(fresh, &peer.any, sizeof(peer.in)) ||
		    send(fresh, text, strlen(text), 0) < 0)
			_exit(3);
		_exit(0);
	}
	say_end("child", child);
	hear("first", first);
	for (int i = 0; i < 2; i++) {
		serve_one(server);
		hear("second", second);
	}
}

#endif
