/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns a server that does what its arguments say, one by one, and prints how bind, listen and so on
 * came out: whether errno was kept, and whether the call was late. See the tables at the end.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "calls.h"
#include "calls_names.h"
#include "calls_stack.h"
#include "calls_stderr.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char **words; /* those still to do */
static char *self;
static int sandboxed;

static int bind_to(char *where)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr *addr = (struct sockaddr *)&in;
	socklen_t len = sizeof(in);
	char *hash = strrchr(where, '#');

	if (!hash) {
		strcpy(un.sun_path + 1, where);
		addr = (struct sockaddr *)&un;
		len = sizeof(un);
	} else {
		*hash = '\0';
		in.sin_port = in6.sin6_port = htons((uint16_t)atoi(hash + 1));
		if (inet_pton(AF_INET6, where, &in6.sin6_addr) == 1) {
			addr = (struct sockaddr *)&in6;
			len = sizeof(in6);
		} else if (inet_pton(AF_INET, where, &in.sin_addr) != 1) {
			errx(2, "no address: %s", where);
		}
	}
	if (hash)
		*hash = '#';
	errno = ERRNO_BEFORE;
	return bind(fd, addr, len);
}

static void do_bind(char *where)
{
	long began = sandboxed ? 0 : now_ms();

	say("bind", bind_to(where), began);
}

static void do_bind_null(void)
{
	errno = ERRNO_BEFORE;
	say("bind", bind(fd, NULL, 16), sandboxed ? 0 : now_ms());
}

static void do_listen(void)
{
	long began = sandboxed ? 0 : now_ms();

	errno = ERRNO_BEFORE;
	say("listen", listen(fd, 8), began);
}

static void do_state(void)
{
	int listens = 0;
	socklen_t len = sizeof(listens);

	getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len);
	printf("%s\n", listens ? "listens" : "silent");
	fflush(stdout);
}

static void do_reuseport(void)
{
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
}

/* So many more sockets like this one, each bound there: what the last bind says. */
static void do_fill(char *count_and_where)
{
	char *where = strchr(count_and_where, ':') + 1;
	struct rlimit limit = { 1024, 1024 };
	int ret = -1;

	setrlimit(RLIMIT_NOFILE, &limit);
	for (int left = atoi(count_and_where); left > 0; left--) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		do_reuseport();
		ret = bind_to(where);
	}
	say("bind", ret, 0);
}

static void do_use(char *number)
{
	fd = atoi(number);
}

static void do_close(void)
{
	close(fd);
}

static void do_cloexec(void)
{
	fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void do_flags(void)
{
	printf("%s\n", fcntl(fd, F_GETFD) & FD_CLOEXEC ? "cloexec" : "inherited");
	fflush(stdout);
}

static void open_socket(int family, int type, int proto)
{
	int one = 1;

	fd = socket(family, type, proto);
	if (fd < 0)
		err(2, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
}

/* To a number that a bind of this process has not been seen on. */
static void do_dup(void)
{
	fd = fcntl(fd, F_DUPFD, 200);
}

static void do_high(void)
{
	struct rlimit limit = { 18000, 18000 };

	if (setrlimit(RLIMIT_NOFILE, &limit))
		err(77, "setrlimit");
	fd = fcntl(fd, F_DUPFD, 17000);
}

static void do_fork(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		return;
	if (waitpid(pid, &status, 0) != pid)
		err(2, "waitpid");
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void do_exec(void)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", fd);
	setenv("CALLS_FD", number, 1);
	*--words = self;
	execv(self, words);
	err(2, "%s", self);
}

static void do_clearenv(void)
{
	clearenv();
}

static void do_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = -3; /* ".", ".." and the directory itself */

	while (dir && readdir(dir))
		n++;
	closedir(dir);
	printf("%d fds\n", n);
	fflush(stdout);
}

static void do_no_fds(void)
{
	struct rlimit limit = { (rlim_t)fd + 1, (rlim_t)fd + 1 };

	setrlimit(RLIMIT_NOFILE, &limit);
}

static void do_close_stdio(void)
{
	close(STDIN_FILENO);
	close(STDERR_FILENO);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void do_alarms(void)
{
	struct itimerval each = { { 0, 2000 }, { 0, 2000 } };
	struct sigaction action = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &each, NULL);
}

/* To a thread: bind and listen are no cancellation points, a request that is pending stays so. */
static void do_cancel(void)
{
	pthread_cancel(pthread_self());
}

static void run_words(void);

static void *thread(void *arg)
{
	int old;

	(void)arg;
	run_words();
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	return NULL;
}

static void do_thread(void)
{
	pthread_t id;

	if (pthread_create(&id, NULL, thread, NULL))
		errx(2, "pthread_create");
	pthread_join(id, NULL);
}

/* As a sandboxed server: whatever it did not plan for kills it. */
static void do_sandbox(void)
{
#define ALLOW(name)                                            \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(bind),
		ALLOW(listen),
		ALLOW(write),
		ALLOW(exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog prog = { sizeof(filter) / sizeof(filter[0]), filter };

	sandboxed = 1;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		err(77, "seccomp");
}

static const struct {
	const char *word;
	int family, type, proto;
} sockets[] = {
	{ "tcp4", AF_INET, SOCK_STREAM, 0 },
	{ "tcp6", AF_INET6, SOCK_STREAM, 0 },
	{ "udp4", AF_INET, SOCK_DGRAM, 0 },
	{ "unix", AF_UNIX, SOCK_STREAM, 0 },
	{ "mptcp", AF_INET, SOCK_STREAM, IPPROTO_MPTCP },
};

static const struct {
	const char *word;
	void (*run)(void);
} actions[] = {
	{ "bind-null", do_bind_null },
	{ "listen", do_listen },
	{ "state", do_state },
	{ "name", do_name },
	{ "name-odd", do_name_odd },
	{ "reuseport", do_reuseport },
	{ "disconnect", do_disconnect },
	{ "close", do_close },
	{ "cloexec", do_cloexec },
	{ "flags", do_flags },
	{ "dup", do_dup },
	{ "high", do_high },
	{ "fork", do_fork },
	{ "exec", do_exec },
	{ "thread", do_thread },
	{ "stack", do_stack },
	{ "clearenv", do_clearenv },
	{ "fds", do_fds },
	{ "no-fds", do_no_fds },
	{ "close-stdio", do_close_stdio },
	{ "stderr-socket", do_stderr_socket },
	{ "stderr-read", do_stderr_read },
	{ "stderr-full", do_stderr_full },
	{ "stderr-broken", do_stderr_broken },
	{ "alarms", do_alarms },
	{ "cancel", do_cancel },
	{ "sandbox", do_sandbox },
};

/* With an argument, after "=". */
static const struct {
	const char *word;
	void (*run)(char *argument);
} with_argument[] = {
	{ "bind=", do_bind }, { "fill=", do_fill },	    { "name=", do_name_within },
	{ "use=", do_use },   { "shutdown=", do_shutdown },
};

static void run_word(char *word)
{
	for (size_t i = 0; i < COUNT(with_argument); i++) {
		size_t len = strlen(with_argument[i].word);

		if (!strncmp(word, with_argument[i].word, len)) {
			with_argument[i].run(word + len);
			return;
		}
	}
	for (size_t i = 0; i < COUNT(sockets); i++)
		if (!strcmp(word, sockets[i].word)) {
			open_socket(sockets[i].family, sockets[i].type, sockets[i].proto);
			return;
		}
	for (size_t i = 0; i < COUNT(actions); i++)
		if (!strcmp(word, actions[i].word)) {
			actions[i].run();
			return;
		}
	errx(2, "no such word: %s", word);
}

static void run_words(void)
{
	while (*words)
		run_word(*words++);
}

int main(int argc, char **argv)
{
	const char *inherited = getenv("CALLS_FD");

	(void)argc;
	self = argv[0];
	words = argv + 1;
	if (inherited)
		fd = atoi(inherited);
	else
		close_range(3, ~0u, 0); /* what the test runner left open */
	run_words();
	_exit(0);
}
