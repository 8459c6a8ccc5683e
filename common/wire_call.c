/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the client's side of the wire: one exchange with the helper, bounded by one deadline. */
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "raw.h"
#include "wire.h"

#define NAME_US (100 * 1000) /* for the second try, by the abstract name, to be accepted */
/* A helper with too many connections closes those that have been silent longest. */
#define TRIES	 4
#define PAUSE_US (10 * 1000) /* before the second try, twice as much before the third, ... */

struct call {
	const char *path;
	const struct sks_request *req;
	const char *spec;
	int fd;
	struct sks_reply *ret_reply;
	int *ret_fd;
};

socklen_t sks_wire_name(const char *path, struct sockaddr_un *ret_addr)
{
	size_t len = strlen(path);

	if (len > sizeof(ret_addr->sun_path) - 1)
		len = sizeof(ret_addr->sun_path) - 1;
	*ret_addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret_addr->sun_path + 1, path, len);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len);
}

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

static int connect_until(int conn, const struct sockaddr_un *addr, socklen_t len, int64_t deadline)
{
	int err;

	do {
		err = allow_until(conn, SO_SNDTIMEO, deadline);
		if (!err)
			err = (int)sks_raw(SYS_connect, conn, addr, len);
	} while (err == -EINTR);
	/* A full backlog blocks connect(2); EAGAIN is how SO_SNDTIMEO ends that. */
	return err == -EAGAIN ? -ETIMEDOUT : err;
}

/* A chroot(2), a mount namespace or a security module may have hidden it since the start. */
static bool may_be_hidden(int err)
{
	return err == -ENOENT || err == -ENOTDIR || err == -EACCES || err == -ECONNREFUSED;
}

/*
 * Anybody may have taken the name. The kernel keeps who called listen(2); an uid that has no number
 * in our user namespace is not 0.
 */
static bool is_roots(int conn)
{
	struct ucred cred = { .uid = 1 };
	socklen_t len = sizeof(cred);

	return !sks_raw(SYS_getsockopt, conn, SOL_SOCKET, SO_PEERCRED, &cred, &len) &&
	       cred.uid == 0;
}

/* err is why the path does not do; it stays the answer as long as no helper is found by the name. */
static int connect_by_name(int conn, const char *path, int err, int64_t deadline)
{
	int64_t enough = sks_now_us() + NAME_US;
	struct sockaddr_un addr;
	socklen_t len = sks_wire_name(path, &addr);

	/* Not longer: whoever took the name may have a full backlog, and no helper at all. */
	if (connect_until(conn, &addr, len, enough < deadline ? enough : deadline))
		return err;
	return is_roots(conn) ? 0 : err;
}

static int connect_to(int conn, const char *path, int64_t deadline)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int err;

	if (len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	if (len == 0)
		return -ENOENT; /* the kernel would take it for an abstract name */
	memcpy(addr.sun_path, path, len);
	err = connect_until(conn, &addr, sizeof(addr), deadline);
	return may_be_hidden(err) ? connect_by_name(conn, path, err, deadline) : err;
}

/*
 * One record of exactly size bytes; *ret_fd as sks_wire_recv() leaves it. -ECONNABORTED: the end;
 * -ECONNRESET: the same, and what we have sent was not read.
 */
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
	if ((size_t)len == size)
		return 0;
	/* An empty record is none, but may have brought one. */
	if (*ret_fd >= 0)
		(void)sks_raw(SYS_close, *ret_fd);
	return len ? -EPROTO : -ECONNABORTED;
}

/* *ret_version: -EPROTO, because that is the helper's. */
static int receive_greeting(int conn, int64_t deadline, uint16_t *ret_version)
{
	struct sks_greeting greeting;
	int fd = -1, err;

	err = receive_until(conn, &greeting, sizeof(greeting), deadline, &fd);
	if (err)
		return err == -ECONNABORTED ? -ECONNRESET : err;
	if (fd >= 0)
		(void)sks_raw(SYS_close, fd);
	if (fd >= 0)
		return -EPROTO;
	if (greeting.version == SKS_WIRE_VERSION)
		return 0;
	*ret_version = greeting.version;
	return -EPROTO;
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

static int receive_reply(int conn, int64_t deadline, struct sks_reply *ret_reply, int *ret_fd,
			 bool *ret_heard)
{
	struct sks_reply reply;
	bool sound;
	int fd = -1, err;

	err = receive_until(conn, &reply, sizeof(reply), deadline, &fd);
	/* The kernel says so, rather than that it is the end, where the request was not read. */
	*ret_heard = err != -ECONNRESET;
	if (err)
		return err == -ECONNABORTED ? -ECONNRESET : err;
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

/* *ret_heard: it may have read the request. */
static int exchange(int conn, const struct call *call, int64_t deadline, bool *ret_heard)
{
	int err = connect_to(conn, call->path, deadline);
	uint16_t version = 0;

	/* Only a helper that runs greets; one that is stopped must not get hold of fd. */
	if (!err)
		err = receive_greeting(conn, deadline, &version);
	if (!err)
		err = send_request(conn, call->req, call->spec, call->fd);
	*ret_heard = !err;
	if (!err)
		err = receive_reply(conn, deadline, call->ret_reply, call->ret_fd, ret_heard);
	if (err == -EPROTO)
		call->ret_reply->version = version;
	return err;
}

static int call_once(const struct call *call, int64_t deadline, bool *ret_heard)
{
	int conn = above_stdio((int)sks_raw(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
	int err;

	*ret_heard = true; /* if this fails, so it will again */
	if (conn < 0)
		return conn;
	err = exchange(conn, call, deadline, ret_heard);
	(void)sks_raw(SYS_close, conn);
	return err;
}

int sks_wire_call(const char *path, const struct sks_request *req, const char *spec, int fd,
		  int timeout_ms, struct sks_reply *ret_reply, int *ret_fd)
{
	const struct call call = { path, req, spec, fd, ret_reply, ret_fd };
	int64_t now = sks_now_us(), deadline = now ? now + (int64_t)timeout_ms * 1000 : 0;
	bool heard;
	int err;

	if (deadline <= 0)
		return -ENOSYS; /* a sandbox without a clock: nothing would ever time out */
	for (int tries = 1;; tries++) {
		err = call_once(&call, deadline, &heard);
		if (err != -ECONNRESET || heard || tries == TRIES ||
		    deadline - sks_now_us() <= tries * PAUSE_US)
			return err;
		sks_pause_us(tries * PAUSE_US);
	}
}
