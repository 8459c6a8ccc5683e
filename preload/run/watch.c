/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how the supervisor comes to be, before the command is what it supervises (see watch.h). */
#include "watch.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
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

#define READY_MS 5000

/* What the supervisor says: before the filter is there, and when it has the notifications. */
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
	(void)snprintf(argv[0], (size_t)(end - argv[0]), "sksteer-watch %d", (int)command);
	(void)prctl(PR_SET_NAME, "sksteer-watch", 0, 0, 0);
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

static int prepare(pid_t command, struct sks_answer *answer)
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
	err = err ? err : detach(&answer->conn);
	return err ? err : try_reach(command);
}

/* Does not return. The command may ptrace others of its user: not us, who may be root's. */
static void supervise(char **argv, pid_t command, int conn)
{
	struct sks_answer answer = { .listener = -1, .spare = -1, .conn = conn };
	struct word word = { .pid = getpid() };
	char byte;

	rename_self(argv, command);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	word.err = prepare(command, &answer);
	if (sks_wire_send(answer.conn, &word, sizeof(word), NULL, 0, -1) || word.err)
		_exit(1);
	if (sks_wire_recv(answer.conn, &byte, 1, 0, &answer.listener) != 1 || answer.listener < 0)
		_exit(1);
	sks_answer_keep_spare(&answer);
	(void)sks_wire_send(answer.conn, &word, sizeof(word), NULL, 0, -1);
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

/* From the filter on, there has to be somebody who answers. */
static int hand_over(int conn, pid_t supervisor)
{
	CLEANUP_FD int listener = -1;
	struct word word;
	int err;

#ifdef PR_SET_PTRACER /* Yama's ptrace_scope 1: only an ancestor may take descriptors, else */
	(void)prctl(PR_SET_PTRACER, supervisor, 0, 0, 0);
#else
	(void)supervisor;
#endif
	err = sks_filter_install(&listener);
	if (err == -EBUSY)
		warnx("the command runs under a supervisor of system calls already");
	else if (err)
		warnx("cannot supervise system calls: %s", strerror(-err));
	if (err)
		return err;
	err = sks_wire_send(conn, "", 1, NULL, 0, listener);
	err = err ? err : await_word(conn, &word);
	if (!err)
		return 0;
	warnx("the supervisor of system calls has failed: %s", strerror(-err));
	return -ECANCELED;
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
	if (err == -EPERM || err == -EACCES)
		warnx("cannot look into other processes of this user, which takes ptrace(2)'s "
		      "permission");
	else if (err)
		warnx("cannot start a supervisor of system calls: %s", strerror(-err));
	return err ? err : hand_over(ours, word.pid);
}
