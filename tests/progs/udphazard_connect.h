/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the cases of udphazard.c in which a server connects the socket that all clients ask. */
#ifndef SKSTEER_UDPHAZARD_CONNECT_H
#define SKSTEER_UDPHAZARD_CONNECT_H

#include <linux/sched.h>
#include <pthread.h>
#include <sys/epoll.h>

#include "udphazard.h"

#define CLIENTS 3
#define MEETING 8  /* threads, each with a client */
#define WAITING 60 /* datagrams for each */

/* One after the other: answered by a socket that is connected to each, and in between to nobody. */
static void dissolve(int server)
{
	const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	int clients[CLIENTS];
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

static void dissolves(void)
{
	dissolve(new_server());
}

/* A process that has the number of one that has ended, and waits; where another has it already, 0. */
static pid_t take_number(pid_t number)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&number,
		.set_tid_size = 1,
	};
	long child = sks_raw(SYS_clone3, &args, sizeof(args));

	if (!child) {
		pause();
		_exit(0);
	}
	if (child < 0 && child != -EEXIST)
		errx(2, "clone3: %s", strerrorname_np((int)-child));
	return child < 0 ? 0 : (pid_t)child;
}

/* It goes into the background, and the number of who bound the socket becomes another's. */
static void background(void)
{
	int begin[2], end[2], server;
	pid_t first, other;
	char byte;

	if (pipe(begin) || pipe(end))
		err(2, "pipe");
	first = forked();
	if (!first) {
		server = new_server();
		if (forked())
			_exit(0);
		close(end[0]);
		if (read(begin[0], &byte, 1) != 1)
			err(2, "read");
		dissolve(server);
		exit(0);
	}
	close(end[1]);
	say_end("first", first);
	other = take_number(first);
	if (write(begin[1], "", 1) != 1 || read(end[0], &byte, 1))
		err(2, "write, read");
	if (other) {
		kill(other, SIGKILL);
		say_end("other", other);
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

/* A client asks at two ports before the server connects: what it asked elsewhere is not mixed in. */
static void asks_elsewhere(void)
{
	int server = new_server(), client = new_client(), rest = dup(server);
	union address peer = {};
	socklen_t len = sizeof(peer);
	char text[100] = "";
	ssize_t n;

	ask(client, "one");
	ask_at(client, OTHER, "two");
	if (recvfrom(server, text, sizeof(text), MSG_PEEK, &peer.any, &len) != 3 ||
	    connect(server, &peer.any, sizeof(peer.in)))
		err(2, "connect");
	while ((n = recv(server, text, sizeof(text) - 1, MSG_DONTWAIT)) > 0) {
		text[n] = '\0';
		printf("server takes %s\n", text);
		if (send(server, text, strlen(text), 0) < 0)
			err(2, "send");
		hear("client", client);
	}
	serve_one(rest);
	hear("client", client);
}

static struct meeting {
	int server, client;
	unsigned int own, others;
} meetings[MEETING];
static pthread_barrier_t all_there;

/* A client for each socket of the group, whose datagrams the kernel brings there. */
static void find_clients(void)
{
	for (int found = 0; found < MEETING;) {
		int client = new_client(), i = 0;
		struct pollfd polled[MEETING];
		char text[100];

		for (int k = 0; k < MEETING; k++)
			polled[k] = (struct pollfd){ meetings[k].server, POLLIN, 0 };
		ask(client, "probe");
		if (poll(polled, MEETING, 5000) != 1)
			errx(2, "no socket of the group is asked");
		while (!polled[i].revents)
			i++;
		take_question(meetings[i].server, text);
		if (meetings[i].client) {
			close(client);
			continue;
		}
		meetings[i].client = client;
		found++;
	}
}

static void *meet(void *arg)
{
	static char texts[MEETING][30000];
	struct meeting *meeting = arg;
	char *text = texts[meeting - meetings];
	union address peer = {};
	socklen_t len = sizeof(peer);

	memset(text, '0' + (int)(meeting - meetings), sizeof(texts[0]));
	for (int i = 0; i < WAITING; i++) {
		union address to = address_of(INADDR_LOOPBACK, asked_port);

		if (sendto(meeting->client, text, sizeof(texts[0]), 0, &to.any, sizeof(to.in)) < 0)
			err(2, "sendto");
	}
	if (recvfrom(meeting->server, text, 1, MSG_PEEK, &peer.any, &len) != 1)
		err(2, "recvfrom");
	pthread_barrier_wait(&all_there);
	if (connect(meeting->server, &peer.any, sizeof(peer.in)))
		err(2, "connect");
	pthread_barrier_wait(&all_there);
	while (recv(meeting->server, text, sizeof(texts[0]), MSG_DONTWAIT) > 0) {
		if (*text == '0' + (int)(meeting - meetings))
			meeting->own++;
		else
			meeting->others++;
	}
	return NULL;
}

/* Several connect to clients at once, while much waits. */
static void meets(void)
{
	unsigned int own = 0, others = 0;
	pthread_t threads[MEETING];

	pthread_barrier_init(&all_there, NULL, MEETING);
	for (int i = 0; i < MEETING; i++)
		meetings[i].server = grouped(OWN);
	find_clients();
	for (int i = 0; i < MEETING; i++)
		pthread_create(&threads[i], NULL, meet, &meetings[i]);
	for (int i = 0; i < MEETING; i++) {
		pthread_join(threads[i], NULL);
		own += meetings[i].own;
		others += meetings[i].others;
	}
	printf("%u of their clients', %u of others'\n", own, others);
}

#endif
