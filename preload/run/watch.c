/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how the supervisor comes to be, before the command is what it supervises (see watch.h). */
#include "watch.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../common/cleanup.h"
#include "../../common/wire.h"
#include "../memory.h"
#include "answer.h"
#include "filter.h"
#include "yama.h"

#define READY_MS 5000

/*
 * What the supervisor says: when it is there, when it has had a look at the command, and when it
 * has the notifications.
 */
struct word {
	int err;
	pid_t pid;
};

static void *share(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* The library's memory of sockets that were moved is one that all of the supervisor share. */
static int share_memory(void)
{
	struct sks_memory *shared = share(sizeof(*shared));

	if (!shared)
		return -ENOMEM;
	memcpy(shared, sks_memory, sizeof(*shared));
	sks_memory = shared;
	return 0;
}

/* Not the command's line: whoever looks for that by name is not looking for us. */
static void rename_self(char **argv, pid_t command)
{
	char *end = argv[0];

	for (char **arg = argv; *arg == end; arg++)
		end += strlen(*arg) + 1;
	memset(argv[0], 0, (size_t)(end - argv[0]));
	(void)snprintf(argv[0], (size_t)(end - argv[0]), SKS_NAME_ACTIVE " %d", (int)command);
	(void)prctl(PR_SET_NAME, SKS_NAME_ACTIVE, 0, 0, 0);
}

/* Nothing of the command's stays here: no terminal, no pipe, no directory, no signal. */
static int detach(int *conn)
{
	sigset_t all;
	int null;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)setsid();
	if (chdir("/") < 0)
		return -errno;
	*conn = fcntl(*conn, F_DUPFD_CLOEXEC, 10);
	null = open("/dev/null", O_RDWR);
	if (*conn < 0 || null < 0)
		return -errno;
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (dup2(null, fd) < 0)
			return -errno;
	if (sks_close_range(STDERR_FILENO + 1, (unsigned int)*conn - 1) < 0 ||
	    sks_close_range((unsigned int)*conn + 1, ~0U) < 0)
		return -errno;
	return 0;
}

/* Shall we be able to look into what is started? A container may not let us. */
static int try_reach(pid_t command)
{
	static const char somewhere[1]; /* there as here */
	struct sks_caller who;
	CLEANUP_FD int fd = -1;
	char byte;
	int err = sks_caller_read(command, &who);

	err = err ? err : sks_caller_peek(&who, (uintptr_t)somewhere, &byte, 1);
	if (err)
		return err;
	fd = sks_caller_fd(&who, STDERR_FILENO);
	/* One that is closed might be taken, too. */
	return fd < 0 && fd != -EBADF ? fd : 0;
}

static int prepare(struct sks_answer *answer)
{
	/* It notes what stderr is, and that is still the command's. */
	const struct sks_config *config = sks_config_get();
	int err;

	if (!config)
		return -ENOMEM;
	answer->config = config;
	answer->shared = share(sizeof(*answer->shared));
	err = answer->shared ? share_memory() : -ENOMEM;
	err = err ? err : sks_caller_read(0, &answer->self);
	return err ? err : detach(&answer->conn);
}

/* False: there is no more to be done. */
static bool say(int conn, const struct word *word)
{
	return !sks_wire_send(conn, word, sizeof(*word), NULL, 0, -1) && !word->err;
}

/* Does not return. The command may ptrace others of its user: not us, who may be root's. */
static void supervise(char **argv, pid_t command, int conn)
{
	struct sks_answer answer = { .listener = -1, .spare = -1, .title = argv[0], .conn = conn };
	struct word word = { .pid = getpid() };
	char byte;

	rename_self(argv, command);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	word.err = prepare(&answer);
	if (!say(answer.conn, &word) ||
	    sks_wire_recv(answer.conn, &byte, 1, 0, &answer.listener) != 1)
		_exit(1);
	word.err = try_reach(command);
	if (!say(answer.conn, &word) ||
	    sks_wire_recv(answer.conn, &byte, 1, 0, &answer.listener) != 1 || answer.listener < 0)
		_exit(1);
	sks_answer_keep_spare(&answer);
	(void)say(answer.conn, &word);
	(void)close(sks_take_fd(&answer.conn));
	sks_answer_serve(&answer);
	_exit(0);
}

static int await_word(int conn, struct word *ret_word)
{
	struct pollfd pfd = { .fd = conn, .events = POLLIN };
	int fd = -1, len;

	/* Who is stopped and continued meanwhile has not waited for nothing. */
	while ((len = poll(&pfd, 1, READY_MS)) < 0 && errno == EINTR)
		;
	len = len == 1 ? 0 : -ETIMEDOUT;
	len = len ? len : sks_wire_recv(conn, ret_word, sizeof(*ret_word), MSG_DONTWAIT, &fd);
	if (fd >= 0)
		(void)close(fd);
	if (len < 0)
		return len;
	return (size_t)len == sizeof(*ret_word) ? ret_word->err : -ECONNRESET;
}

/* Forks twice, so that the supervisor is nobody's child: no strange SIGCHLD for the command. */
static int spawn(char **argv, int conn)
{
	const pid_t command = getpid();
	pid_t pid = fork(), grandchild;
	int status = 0;

	if (pid < 0)
		return -errno;
	if (pid > 0) {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EAGAIN;
	}
	grandchild = fork();
	if (grandchild == 0)
		supervise(argv, command, conn);
	_exit(grandchild < 0 ? 1 : 0);
}

/* It goes on at our word, with which it gets a descriptor, or -1. */
static int ask(int conn, int fd)
{
	struct word word;
	int err = sks_wire_send(conn, "", 1, NULL, 0, fd);

	return err ? err : await_word(conn, &word);
}

/* Yama's ptrace_scope 1 asks for it. It holds beyond execve(2), and not for children. */
static int let_look(int conn, pid_t supervisor)
{
	(void)prctl(PR_SET_PTRACER, supervisor, 0, 0, 0);
	return ask(conn, -1);
}

/* From the filter on, there has to be somebody who answers. */
static int hand_over(int conn)
{
	CLEANUP_FD int listener = -1;
	int err = sks_filter_install(&listener);

	if (err == -EBUSY)
		warnx("the command runs under a supervisor of system calls already");
	else if (err)
		warnx("cannot supervise system calls: %s", strerror(-err));
	if (err)
		return err;
	err = ask(conn, listener);
	if (!err)
		return 0;
	warnx("the supervisor of system calls has failed: %s", strerror(-err));
	return -ECANCELED;
}

static void say_unable(int err)
{
	int scope = err == -EPERM || err == -EACCES ? sks_yama_scope() : 0;

	if (scope)
		warnx("cannot look into other processes of this user: "
		      "kernel.yama.ptrace_scope is %d",
		      scope);
	else if (err == -EPERM || err == -EACCES)
		warnx("cannot look into other processes of this user, which takes ptrace(2)'s "
		      "permission");
	else
		warnx("cannot start a supervisor of system calls: %s", strerror(-err));
}

int sks_watch_start(char **argv)
{
	CLEANUP_FD int ours = -1, theirs = -1;
	struct word word = { 0 };
	int conns[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, conns))
		return -errno;
	ours = conns[0];
	theirs = conns[1];
	err = spawn(argv, theirs);
	(void)close(sks_take_fd(&theirs));
	err = err ? err : await_word(ours, &word);
	err = err ? err : let_look(ours, word.pid);
	if (err)
		say_unable(err);
	return err ? err : hand_over(ours);
}
