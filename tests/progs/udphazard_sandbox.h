/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the cases of udphazard.c with seccomp(2), under which what nobody expects is death. */
#ifndef SKSTEER_UDPHAZARD_SANDBOX_H
#define SKSTEER_UDPHAZARD_SANDBOX_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include "udphazard.h"

/* From here on any other system call is death. */
static void sandbox(bool by_prctl)
{
#define ALLOW(call)                                        \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_recvfrom),
		ALLOW(SYS_recvmsg),
		ALLOW(SYS_sendto),
		ALLOW(SYS_sendmsg),
		ALLOW(SYS_write),
		ALLOW(SYS_exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(*filter), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    (by_prctl ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)
		      : syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)))
		_exit(9);
}

/* By recvmsg and sendmsg. */
static ssize_t echo_message(int fd)
{
	_Alignas(struct cmsghdr) char control[256];
	char text[100];
	union address peer;
	struct iovec iov = { text, sizeof(text) };
	struct msghdr msg = { .msg_name = &peer,
			      .msg_namelen = sizeof(peer),
			      .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };

	if (recvmsg(fd, &msg, 0) < 0)
		_exit(3);
	if (msg.msg_controllen)
		_exit(5); /* it has asked for none */
	iov.iov_len = 4;
	msg.msg_control = NULL;
	return text[0] == 'e' ? -1 : sendmsg(fd, &msg, 0);
}

static ssize_t echo(int fd)
{
	char text[100];
	union address peer;
	socklen_t len = sizeof(peer);
	ssize_t n = recvfrom(fd, text, sizeof(text), 0, &peer.any, &len);

	if (n < 0)
		_exit(3);
	return text[0] == 'e' ? -1 : sendto(fd, text, (size_t)n, 0, &peer.any, len);
}

/* A server of its own; "end" ends it. */
static void sandboxed(bool by_prctl, ssize_t (*serve)(int fd))
{
	int server = new_server(), client = new_client();
	pid_t child;

	/* What the kernel makes ready once, before the doors are closed. */
	ask(client, "free");
	serve(server);
	hear("client", client);
	child = forked();
	if (!child) {
		sandbox(by_prctl);
		while (serve(server) > 0)
			;
		_exit(0);
	}
	for (int i = 0; i < 2; i++) {
		ask_at(client, OWN, "asks");
		hear("client", client);
		ask(client, "asks");
		hear("client", client);
	}
	ask(client, "end");
	say_end("server", child);
}

static void sandbox_prctl(void)
{
	sandboxed(true, echo);
}

static void sandbox_seccomp(void)
{
	sandboxed(false, echo);
}

static void sandbox_messages(void)
{
	sandboxed(true, echo_message);
}

/* One that has nothing to do with UDP but that its parent has. */
static void sandbox_pair(void)
{
	int server = new_server(), pair[2];
	char text[8] = "";
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		err(2, "socketpair");
	child = forked();
	if (!child) {
		sandbox(true);
		if (recv(pair[1], text, 4, 0) != 4 || send(pair[1], text, 4, 0) != 4)
			_exit(3);
		_exit(0);
	}
	if (send(pair[0], "pair", 4, 0) != 4 || recv(pair[0], text, 4, 0) != 4)
		warn("socketpair");
	printf("parent reads %s\n", text);
	say_end("child", child);
	close(server);
}

#endif
