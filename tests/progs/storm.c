/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns a client that connects without a pause until SIGTERM: storm NAME ADDRESS PORT FILE.
 *
 * Every connection must bring "NAME PORT" (see serve.c). FILE says "CONNECTS FAILURES" all the
 * time; stdout says what failed, the first few times.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define SAID_MAX 5

/* Blocked otherwise, so that it interrupts no connection. */
static int is_stopped(void)
{
	sigset_t pending;

	sigpending(&pending);
	return sigismember(&pending, SIGTERM);
}

/* NULL, or what went wrong. A client that hangs for so long would have been lost. */
static const char *try(const struct sockaddr_in *addr, const char *expected)
{
	/* RST on close: no TIME_WAIT uses up the ports that a client may have. */
	struct linger abort = { .l_onoff = 1 };
	struct timeval limit = { .tv_sec = 3 };
	const char *wrong = NULL;
	size_t len = 0;
	ssize_t n = 1;
	char buf[128];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(2, "socket");
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		wrong = strerrorname_np(errno);
	while (!wrong && n > 0 && len < sizeof(buf) - 1) {
		n = recv(fd, buf + len, sizeof(buf) - 1 - len, 0);
		if (n < 0)
			wrong = strerrorname_np(errno);
		else
			len += (size_t)n;
		if (n > 0 && buf[len - 1] == '\n')
			break;
	}
	buf[len] = '\0';
	if (!wrong && strcmp(buf, expected))
		wrong = "another answer";
	close(fd);
	return wrong;
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	unsigned long connects = 0, failures = 0;
	char expected[128], line[64];
	const char *wrong;
	sigset_t blocked;
	int counts;

	if (argc != 5 || inet_pton(AF_INET, argv[2], &addr.sin_addr) != 1)
		errx(2, "usage: storm NAME ADDRESS PORT FILE");
	addr.sin_port = htons((uint16_t)atoi(argv[3]));
	snprintf(expected, sizeof(expected), "%s %s\n", argv[1], argv[3]);
	counts = open(argv[4], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (counts < 0)
		err(2, "%s", argv[4]);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	while (!is_stopped()) {
		wrong = try(&addr, expected);
		connects++;
		failures += wrong != NULL;
		if (wrong && failures <= SAID_MAX) {
			printf("connect %lu: %s\n", connects, wrong);
			fflush(stdout);
		}
		snprintf(line, sizeof(line), "%-15lu %-15lu\n", connects, failures);
		if (pwrite(counts, line, strlen(line), 0) < 0)
			err(2, "%s", argv[4]);
	}
	return failures != 0;
}
