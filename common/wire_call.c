/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the client's side of the wire: one exchange with the helper, bounded by one deadline. */
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "raw.h"
#include "wire.h"

/* Lets the next blocking call on conn last until the deadline. */
static int allow_until(int conn, int option, int64_t deadline)
{
	int64_t left = deadline - sks_now_us();
	struct timeval limit = { .tv_sec = left / 1000000, .tv_usec = left % 1000000 };

	/* A limit of zero would mean none at all. */
	if (left <= 0)
		return -ETIMEDOUT;
	return (int)sks_raw(SYS_setsockopt, conn, SOL_SOCKET, option, &limit, sizeof(limit));
}

/*
 * A server with closed standard streams would get us as its stdin or stderr for a moment, and what
 * another of its threads prints there would be a record to the helper.
 */
static int above_stdio(int fd)
{
	long moved;

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	moved = sks_raw(SYS_fcntl, fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	(void)sks_raw(SYS_close, fd);
	return (int)moved;
}

static int connect_until(int conn, const struct sockaddr_un *addr, int64_t deadline)
{
	int err;

	do {
		err = allow_until(conn, SO_SNDTIMEO, deadline);
		if (!err)
			err = (int)sks_raw(SYS_connect, conn, addr, sizeof(*addr));
	} while (err == -EINTR);
	/* A full backlog blocks connect(2); EAGAIN is how SO_SNDTIMEO ends that. */
	return err == -EAGAIN ? -ETIMEDOUT : err;
}

/* One record of exactly size bytes; *ret_fd as sks_wire_recv() leaves it. */
static int receive_until(int conn, void *buf, size_t size, int64_t deadline, int *ret_fd)
{
	int len, err;

	do {
		err = allow_until(conn, SO_RCVTIMEO, deadline);
		if (err)
			return err;
		len = sks_wire_recv(conn, buf, size, 0, ret_fd);
	} while (len == -EINTR);
	if (len == -EAGAIN)
		return -ETIMEDOUT;
	if (len < 0)
		return len == -EMSGSIZE ? -EPROTO : len;
	if (len == 0)
		return -ECONNRESET;
	if ((size_t)len == size)
		return 0;
	if (*ret_fd >= 0)
		(void)sks_raw(SYS_close, *ret_fd);
	return -EPROTO;
}

static int receive_greeting(int conn, int64_t deadline)
{
	struct sks_greeting greeting;
	int fd = -1, err;

	err = receive_until(conn, &greeting, sizeof(greeting), deadline, &fd);
	if (err)
		return err;
	if (fd >= 0)
		(void)sks_raw(SYS_close, fd);
	return fd < 0 && greeting.version == SKS_WIRE_VERSION ? 0 : -EPROTO;
}

/* A refusal says nothing of a place, and only one place has a port. */
static bool place_is_sound(const struct sks_reply *reply)
{
	if (reply->place > (reply->err ? SKS_PLACE_ASKED : SKS_PLACE_SHARED))
		return false;
	return !reply->port || reply->place == SKS_PLACE_ELSEWHERE;
}

static bool reply_is_sound(const struct sks_reply *reply)
{
	return reply->version == SKS_WIRE_VERSION && reply->err <= 0 && reply->err > -4096 &&
	       place_is_sound(reply) && memchr(reply->text, 0, sizeof(reply->text));
}

static int receive_reply(int conn, int64_t deadline, struct sks_reply *ret_reply, int *ret_fd)
{
	struct sks_reply reply;
	bool sound;
	int fd = -1, err;

	err = receive_until(conn, &reply, sizeof(reply), deadline, &fd);
	if (err)
		return err;
	sound = reply_is_sound(&reply);
	if (fd >= 0 && (!sound || !ret_fd))
		(void)sks_raw(SYS_close, fd);
	if (!sound)
		return -EPROTO;
	*ret_reply = reply;
	if (ret_fd)
		*ret_fd = fd;
	return 0;
}

static int send_request(int conn, const struct sks_request *req, const char *spec, int fd)
{
	int err = sks_wire_send(conn, req, sizeof(*req), spec, req->spec_len, fd);

	/* The first record on a new connection always has room, so EAGAIN means no time will help. */
	if (err == -EAGAIN)
		return -ETIMEDOUT;
	return err == -EPIPE ? -ECONNRESET : err;
}

int sks_wire_call(const char *path, const struct sks_request *req, const char *spec, int fd,
		  int timeout_ms, struct sks_reply *ret_reply, int *ret_fd)
{
	int64_t now = sks_now_us(), deadline = now ? now + (int64_t)timeout_ms * 1000 : 0;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int conn, err;

	if (deadline <= 0)
		return -ENOSYS; /* a sandbox without a clock: nothing would ever time out */
	if (len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	if (len == 0)
		return -ENOENT; /* the kernel would take it for an abstract name */
	memcpy(addr.sun_path, path, len);
	conn = above_stdio((int)sks_raw(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
	if (conn < 0)
		return conn;

	err = connect_until(conn, &addr, deadline);
	/* Only a helper that runs greets; one that is stopped must not get hold of fd. */
	if (!err)
		err = receive_greeting(conn, deadline);
	if (!err)
		err = send_request(conn, req, spec, fd);
	if (!err)
		err = receive_reply(conn, deadline, ret_reply, ret_fd);
	(void)sks_raw(SYS_close, conn);
	return err;
}
