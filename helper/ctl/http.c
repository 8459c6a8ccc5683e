/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns as much of HTTP as a scrape is (see http.h). */
#include "http.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_HEAD  8192 /* of a request, in bytes */
#define LINGER_MS 1000

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* read(2) until then: -ETIMEDOUT. */
static ssize_t read_until(int fd, char *buf, size_t size, int64_t deadline)
{
	struct pollfd in = { .fd = fd, .events = POLLIN };
	int64_t left = deadline - now_ms();
	ssize_t len;

	if (left <= 0 || poll(&in, 1, (int)left) == 0)
		return -ETIMEDOUT;
	len = read(fd, buf, size);
	return len < 0 ? -errno : len;
}

/* Up to the empty line, NUL-terminated: what follows is no part of it. 200, or as sks_http_read(). */
static int read_head(int fd, char head[MAX_HEAD + 1], int timeout_ms)
{
	int64_t deadline = now_ms() + timeout_ms;
	size_t len = 0;
	char *end;

	while (len < MAX_HEAD) {
		ssize_t got = read_until(fd, head + len, MAX_HEAD - len, deadline);

		if (got == -ETIMEDOUT)
			return 408;
		if (got <= 0)
			return 0;
		head[len + (size_t)got] = '\0';
		end = strstr(head, "\r\n\r\n");
		if (end) {
			end[2] = '\0';
			return 200;
		}
		if (memchr(head + len, '\0', (size_t)got))
			return 400;
		len += (size_t)got;
	}
	return 431;
}

/* RFC 9112: a request of HTTP/1.1 without one Host is answered with 400. */
static bool has_host(const char *head)
{
	const char *host = strcasestr(head, "\r\nhost:");

	return host && !strcasestr(host + 1, "\r\nhost:");
}

/* Cuts the word before a blank off *rest; NULL: there is none. */
static char *cut_word(char **rest)
{
	char *word = *rest, *end = strchr(word, ' ');

	if (!end || end == word)
		return NULL;
	*end = '\0';
	*rest = end + 1;
	return word;
}

static int judge(char *head, const char *path, bool *ret_head)
{
	char *end = strstr(head, "\r\n"), *rest = head, *method, *target;
	bool newer;

	*end = '\0';
	method = cut_word(&rest);
	target = method ? cut_word(&rest) : NULL;
	if (target && strncasecmp(target, "http://", 7) == 0) /* as to a proxy */
		target = strchr(target + 7, '/');
	if (!target || *target != '/' || strchr(rest, ' ') || strncmp(rest, "HTTP/", 5) != 0)
		return 400;
	newer = strcmp(rest, "HTTP/1.1") == 0;
	if (!newer && strcmp(rest, "HTTP/1.0") != 0)
		return 505;
	*end = '\r';
	if (newer && !has_host(end))
		return 400;
	*ret_head = strcmp(method, "HEAD") == 0;
	if (!*ret_head && strcmp(method, "GET") != 0)
		return 405;
	target[strcspn(target, "?")] = '\0';
	return strcmp(target, path) == 0 ? 200 : 404;
}

int sks_http_read(int fd, const char *path, int timeout_ms, bool *ret_head)
{
	char head[MAX_HEAD + 1];
	int status = read_head(fd, head, timeout_ms);

	*ret_head = false;
	return status == 200 ? judge(head, path, ret_head) : status;
}

static const char *reason_of(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 408:
		return "Request Timeout";
	case 431:
		return "Request Header Fields Too Large";
	case 505:
		return "HTTP Version Not Supported";
	default:
		return "Internal Server Error";
	}
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t put = write(fd, text, len);

		if (put < 0)
			return -errno;
		text += put;
		len -= (size_t)put;
	}
	return 0;
}

/* What is still on its way to us would reset the connection, and the answer with it. */
static void linger(int fd)
{
	int64_t deadline = now_ms() + LINGER_MS;
	char rest[1024];

	(void)shutdown(fd, SHUT_WR);
	while (read_until(fd, rest, sizeof(rest), deadline) > 0)
		;
}

int sks_http_answer(int fd, int status, const char *type, const char *body, size_t len, bool head)
{
	char text[64], lines[512];
	int err, n;

	if (status != 200) {
		len = (size_t)snprintf(text, sizeof(text), "%d %s\n", status, reason_of(status));
		body = text;
		type = "text/plain; charset=utf-8";
	}
	n = snprintf(lines, sizeof(lines),
		     "HTTP/1.1 %d %s\r\n"
		     "Content-Type: %s\r\n"
		     "Content-Length: %zu\r\n"
		     "%s"
		     "Cache-Control: no-store\r\n"
		     "Connection: close\r\n"
		     "\r\n",
		     status, reason_of(status), type, len,
		     status == 405 ? "Allow: GET, HEAD\r\n" : "");
	err = write_all(fd, lines, (size_t)n);
	if (!err && !head)
		err = write_all(fd, body, len);
	if (!err)
		linger(fd);
	return err;
}
