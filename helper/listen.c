// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns where the helper listens (see listen.h). */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/wire.h"
#include "listen.h"
#include "log.h"

#define BACKLOG 128
#define WAIT_MS 1000 /* for a helper that is ending to close its socket */
#define MAX_ASK 3

/* What lies at the path is ours. */
static struct {
	dev_t dev;
	ino_t ino;
} own;

static int bind_to(const struct sockaddr_un *addr, socklen_t len)
{
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)addr, len))
		return -errno;
	return sks_take_fd(&fd);
}

/* 0: nobody listens there. -EAGAIN: who did so is ending. */
static int ask(const struct sockaddr_un *addr)
{
	const struct timeval wait = { .tv_sec = WAIT_MS / 1000 };
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct pollfd end = { .fd = fd };

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)))
		return -errno;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		return errno == ECONNREFUSED ? 0 : errno == EACCES ? -EACCES : -EADDRINUSE;
	return poll(&end, 1, WAIT_MS) > 0 ? -EAGAIN : -EADDRINUSE;
}

/* Takes away what a helper that died has left; we hold its lock, but that is ours alone. */
static int make_room(const struct sockaddr_un *addr)
{
	struct stat st;
	int err = -EAGAIN;

	if (lstat(addr->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	/* One that was killed lets go of its lock before its socket. */
	for (int i = 0; err == -EAGAIN && i < MAX_ASK; i++)
		err = ask(addr);
	if (err)
		return err == -EAGAIN ? -EADDRINUSE : err;
	return unlink(addr->sun_path) ? -errno : 0;
}

int sks_listen(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	CLEANUP_FD int fd = -1;
	struct stat st;
	int err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path));
	err = make_room(&addr);
	if (err)
		return err;
	fd = bind_to(&addr, sizeof(addr));
	if (fd < 0)
		return fd;
	/* Everybody may ask: who asks is the kernel's word, and the rules are ours. */
	if (chmod(path, 0666) || listen(fd, BACKLOG) || lstat(path, &st))
		return -errno;
	own.dev = st.st_dev;
	own.ino = st.st_ino;
	return sks_take_fd(&fd);
}

void sks_listen_end(const char *path)
{
	struct stat st;

	if (!lstat(path, &st) && st.st_dev == own.dev && st.st_ino == own.ino)
		(void)unlink(path);
}

/* May others come to what is there? A name would pass by the directories that keep them out. */
static bool is_for_all(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct stat st;
	char *slash;

	memcpy(dir, path, strlen(path) + 1);
	while ((slash = strrchr(dir, '/'))) {
		*slash = '\0';
		if (stat(slash == dir ? "/" : dir, &st) || !(st.st_mode & S_IXOTH))
			return false;
	}
	return true;
}

int sks_listen_named(const char *path)
{
	struct sockaddr_un addr;
	socklen_t len = sks_wire_name(path, &addr);
	CLEANUP_FD int fd = -1;

	/* Its clients ask for uid 0 at the other end. */
	if (geteuid() != 0 || *path != '/' || !is_for_all(path))
		return -1;
	fd = bind_to(&addr, len);
	if (fd >= 0 && !listen(fd, BACKLOG))
		return sks_take_fd(&fd);
	sks_log(SKS_LOG_WARNING, "cannot listen on the abstract name @%s: %s; after chroot(2) %s",
		path, strerror(fd < 0 ? -fd : errno), "nobody reaches this helper");
	return -1;
}
