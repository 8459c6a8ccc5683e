// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns where the helper listens (see listen.h). */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/wire.h"
#include "listen.h"
#include "log.h"

#define BACKLOG 128

static int bind_to(const struct sockaddr_un *addr, socklen_t len)
{
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)addr, len))
		return -errno;
	return sks_take_fd(&fd);
}

int sks_listen(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	CLEANUP_FD int fd = -1;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path));
	(void)unlink(path); /* of a helper that died: we hold its lock */
	fd = bind_to(&addr, sizeof(addr));
	if (fd < 0)
		return fd;
	/* Everybody may ask: who asks is the kernel's word, and the rules are ours. */
	if (chmod(path, 0666) || listen(fd, BACKLOG))
		return -errno;
	return sks_take_fd(&fd);
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
