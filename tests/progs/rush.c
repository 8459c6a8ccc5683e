/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns a storm of short connections, many at a time, each of which must bring the right answer:
 * rush [OPTION]... KIND ADDRESS#PORT...
 *
 *	name	says nothing, and hears "NAME PORT": a name, and the port that it dialled
 *	echo	hears its own line
 *	http	GET /, hears 200 and all of a body to the end of the stream; its first word is a
 *name redis	PING
 *
 *	-c N	so many at a time (16)		-n N	ends after so many connections, ...
 *	-s N	... or so many seconds (60)	-r N	begins no more than so many a second
 *	-t N	a connection that takes more milliseconds is lost (15000)
 *	-f FILE	says "CONNECTIONS FAILURES" all the time
 *
 * SIGTERM ends it as well, once those that it has begun are through. Status 0 if all were. Says
 * what failed, the first few times, with the port that it came from; at the end how many
 * there were, how many a second, the slowest; and how many each name answered.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_AT_ONCE 1024
#define MOST_PLACES  16
#define MOST_NAMES   256
#define SAID_MAX     32

enum phase { CONNECT, SEND, RECV, ANSWER };

static const char *const phases[] = { "connect", "send", "recv", "answer" };
static const char *const kinds[] = { "name", "echo", "http", "redis", NULL };
enum kind { NAME, ECHO, HTTP, REDIS };

struct place {
	struct sockaddr_storage addr;
	socklen_t len;
	unsigned int port;
};

struct connection {
	unsigned long number;
	uint64_t begun;
	const struct place *to;
	enum phase phase;
	size_t have;
	char answer[1024];
};

static struct place places[MOST_PLACES];
static int n_places;
static enum kind kind;
static struct connection conns[MOST_AT_ONCE];
static struct pollfd fds[MOST_AT_ONCE];
static nfds_t n_fds;
static struct {
	char name[32];
	unsigned long answers;
} names[MOST_NAMES];

static unsigned long at_once = 16, most = ~0ul, per_second, lost_ms = 15000;
static unsigned long begun, done, failures;
static uint64_t start_us, end_us, slowest_us;
static int counts = -1;
static volatile sig_atomic_t stopped;

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void stop(int sig)
{
	(void)sig;
	stopped = 1;
}

static unsigned int port_of(const struct sockaddr_storage *addr)
{
	/* At the same place in both families. */
	return ntohs(((const struct sockaddr_in *)addr)->sin_port);
}

static void parse_place(char *text)
{
	struct place *to = &places[n_places];
	struct sockaddr_in *in = (struct sockaddr_in *)&to->addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&to->addr;
	char *hash = strchr(text, '#');

	if (!hash || n_places == MOST_PLACES)
		errx(2, "no port, or one place too many: %s", text);
	*hash = '\0';
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		to->len = sizeof(*in);
	} else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		to->len = sizeof(*in6);
	} else {
		errx(2, "no address: %s", text);
	}
	to->port = (unsigned int)atoi(hash + 1);
	in->sin_port = htons((uint16_t)to->port);
	n_places++;
}

/* --- answers --------------------------------------------------------------------------------- */

static void count_name(const char *name)
{
	int i = 0;

	while (i < MOST_NAMES - 1 && *names[i].name && strcmp(names[i].name, name) != 0)
		i++;
	snprintf(names[i].name, sizeof(names[i].name), "%s", name);
	names[i].answers++;
}

static int request(const struct connection *conn, char *buf, size_t size)
{
	static const char *const requests[] = { "", "line %lu\n", "GET / HTTP/1.0\r\n\r\n",
						"PING\r\n" };

	return snprintf(buf, size, requests[kind], conn->number);
}

/* By its Content-Length. */
static bool is_whole_http(const char *answer, size_t len, char *name)
{
	const char *body = strstr(answer, "\r\n\r\n"),
		   *length = strcasestr(answer, "\nContent-Length:");

	return body && length && length < body && !strncmp(answer, "HTTP/1.", 7) &&
	       !strncmp(answer + 8, " 200 ", 5) &&
	       (size_t)atoi(length + strlen("\nContent-Length:")) ==
		       len - (size_t)(body + 4 - answer) &&
	       sscanf(body + 4, "%31s", name) == 1;
}

static bool is_right(const struct connection *conn)
{
	char expected[64], name[32] = "";
	unsigned int port;
	bool right;

	expected[request(conn, expected, sizeof(expected))] = '\0';
	if (kind == NAME)
		right = sscanf(conn->answer, "%31s %u", name, &port) == 2 && port == conn->to->port;
	else if (kind == HTTP)
		right = is_whole_http(conn->answer, conn->have, name);
	else
		right = !strcmp(conn->answer, kind == ECHO ? expected : "+PONG\r\n");
	if (right && *name)
		count_name(name);
	return right;
}

/* HTTP/1.0 ends with its stream. */
static bool is_complete(const struct connection *conn)
{
	return kind != HTTP && conn->have && conn->answer[conn->have - 1] == '\n';
}

/* --- connections ----------------------------------------------------------------------------- */

static void show_counts(void)
{
	char line[64];

	snprintf(line, sizeof(line), "%-15lu %-15lu\n", done, failures);
	if (counts >= 0 && pwrite(counts, line, strlen(line), 0) < 0)
		err(2, "pwrite");
}

static void tell_failure(nfds_t i, const char *wrong)
{
	const struct connection *conn = &conns[i];
	struct sockaddr_storage from = {};
	socklen_t len = sizeof(from);

	if (++failures > SAID_MAX)
		return;
	getsockname(fds[i].fd, (struct sockaddr *)&from, &len);
	printf("connection %lu from port %u to %u, after %.3f s, begun at %.3f s: %s: %s\n",
	       conn->number, port_of(&from), conn->to->port, (double)(now_us() - conn->begun) / 1e6,
	       (double)(conn->begun - start_us) / 1e6, phases[conn->phase], wrong);
	fflush(stdout);
}

/* wrong: NULL, or what is. The last connection moves to this one's place. */
static void end(nfds_t i, const char *wrong)
{
	uint64_t took = now_us() - conns[i].begun;

	if (wrong)
		tell_failure(i, wrong);
	if (took > slowest_us)
		slowest_us = took;
	close(fds[i].fd);
	n_fds--;
	fds[i] = fds[n_fds];
	if (i != n_fds)
		conns[i] = conns[n_fds];
	done++;
	show_counts();
}

static void begin(void)
{
	/* RST on close: no TIME_WAIT uses up the ports that a client may have. */
	struct linger abort = { .l_onoff = 1 };
	struct connection *conn = &conns[n_fds];
	const struct place *to = &places[begun % (unsigned long)n_places];
	int fd = socket(to->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(2, "socket");
	*conn = (struct connection){ .number = ++begun, .begun = now_us(), .to = to };
	fds[n_fds++] = (struct pollfd){ .fd = fd, .events = POLLOUT };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
	if (connect(fd, (const struct sockaddr *)&to->addr, to->len) && errno != EINPROGRESS)
		end(n_fds - 1, strerrorname_np(errno));
}

static void send_request(nfds_t i)
{
	int error = 0, len;
	socklen_t size = sizeof(error);
	char buf[64];

	getsockopt(fds[i].fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error) {
		end(i, strerrorname_np(error));
		return;
	}
	conns[i].phase = SEND;
	len = request(&conns[i], buf, sizeof(buf));
	if (len && send(fds[i].fd, buf, (size_t)len, MSG_NOSIGNAL) != len) {
		end(i, strerrorname_np(errno));
		return;
	}
	conns[i].phase = RECV;
	fds[i].events = POLLIN;
}

static void receive(nfds_t i)
{
	struct connection *conn = &conns[i];
	ssize_t n = recv(fds[i].fd, conn->answer + conn->have,
			 sizeof(conn->answer) - 1 - conn->have, MSG_DONTWAIT);

	if (n < 0) {
		if (errno != EAGAIN)
			end(i, strerrorname_np(errno));
		return;
	}
	conn->have += (size_t)n;
	conn->answer[conn->have] = '\0';
	if (n > 0 && !is_complete(conn))
		return;
	conn->phase = ANSWER;
	end(i, is_right(conn)	 ? NULL
	       : conn->have == 0 ? "closed before it answered"
				 : conn->answer);
}

static void take_events(void)
{
	uint64_t now = now_us();

	for (nfds_t i = n_fds; i-- > 0;) {
		if (fds[i].revents && conns[i].phase == CONNECT)
			send_request(i);
		else if (fds[i].revents)
			receive(i);
		else if (now - conns[i].begun > lost_ms * 1000)
			end(i, "takes too long");
	}
}

static bool has_more(void)
{
	return !stopped && begun < most && now_us() < end_us;
}

/* How many are due by the rate. Who was kept from running does not make up for all of it. */
static unsigned long due(void)
{
	static uint64_t from;
	static unsigned long since;
	uint64_t now = now_us();

	if (!per_second)
		return at_once;
	if (!from || (now - from) * per_second / 1000000 > begun - since + per_second / 10) {
		from = now;
		since = begun;
	}
	return (now - from) * per_second / 1000000 + 1 - (begun - since);
}

static void storm(void)
{
	while (has_more() || n_fds) {
		unsigned long n = has_more() ? due() : 0;

		for (; n > 0 && n_fds < at_once && begun < most; n--)
			begin();
		if (poll(fds, n_fds, per_second ? 1 : 100) < 0 && errno != EINTR)
			err(2, "poll");
		take_events();
	}
}

static void report(void)
{
	double took = (double)(now_us() - start_us) / 1e6;

	printf("%lu connections, %lu failures, %.0f a second, the slowest %.0f ms\n", done,
	       failures, (double)done / took, (double)slowest_us / 1e3);
	for (int i = 0; i < MOST_NAMES && *names[i].name; i++)
		printf("%s answered %lu\n", names[i].name, names[i].answers);
}

static void parse_options(int argc, char **argv)
{
	unsigned long seconds = 60;
	int c;

	while ((c = getopt(argc, argv, "c:n:s:r:t:f:")) != -1) {
		unsigned long n = optarg ? strtoul(optarg, NULL, 10) : 0;

		switch (c) {
		case 'c':
			at_once = n < MOST_AT_ONCE ? n : MOST_AT_ONCE;
			break;
		case 'n':
			most = n;
			break;
		case 's':
			seconds = n;
			break;
		case 'r':
			per_second = n;
			break;
		case 't':
			lost_ms = n;
			break;
		case 'f':
			counts = open(optarg, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
			if (counts < 0)
				err(2, "%s", optarg);
			break;
		default:
			exit(2);
		}
	}
	start_us = now_us();
	end_us = start_us + seconds * 1000000;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = stop };

	parse_options(argc, argv);
	if (argc - optind < 2)
		errx(2, "usage: rush [OPTION]... KIND ADDRESS#PORT...");
	while (kinds[kind] && strcmp(kinds[kind], argv[optind]) != 0)
		kind++;
	if (!kinds[kind])
		errx(2, "no such kind: %s", argv[optind]);
	for (int i = optind + 1; i < argc; i++)
		parse_place(argv[i]);
	sigaction(SIGTERM, &action, NULL);
	storm();
	report();
	return failures != 0;
}
