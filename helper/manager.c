/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the service manager's two protocols (see manager.h). */
#include "manager.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/text.h"
#include "../common/wire.h"
#include "log.h"

#define FIRST_FD 3
#define MAX_FDS	 64

/* Connected: to open one is nothing that the judge may. */
static int notify = -1;

static bool says(const char *variable, uint32_t max, uint32_t *ret_number)
{
	const char *text = getenv(variable);

	return text && !sks_uint_parse(text, strlen(text), max, ret_number);
}

static bool has_option(int fd, int option, int value)
{
	socklen_t len = sizeof(int);
	int got;

	return !getsockopt(fd, SOL_SOCKET, option, &got, &len) && got == value;
}

/* Abstract names are of the length that they were bound with, paths end with a NUL. */
static bool is_at(const struct sockaddr_un *addr, socklen_t len, const char *path, bool named)
{
	struct sockaddr_un own = { .sun_family = AF_UNIX };
	socklen_t own_len = sks_wire_name(path, &own);

	if (named)
		return len == own_len && !memcmp(addr, &own, len);
	return !strncmp(addr->sun_path, path, sizeof(addr->sun_path));
}

static int take(int fd, const char *path, int *ret_listener, int *ret_named)
{
	struct sockaddr_un addr = {};
	socklen_t len = sizeof(addr);
	int flags = fcntl(fd, F_GETFL), *ret = NULL;

	if (flags < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return -errno;
	if (has_option(fd, SO_DOMAIN, AF_UNIX) && has_option(fd, SO_TYPE, SOCK_SEQPACKET) &&
	    has_option(fd, SO_ACCEPTCONN, 1) && !getsockname(fd, (struct sockaddr *)&addr, &len))
		ret = is_at(&addr, len, path, false)  ? ret_listener
		      : is_at(&addr, len, path, true) ? ret_named
						      : NULL;
	if (!ret || *ret >= 0)
		return -EINVAL;
	*ret = fd;
	return 0;
}

int sks_manager_listeners(const char *path, int *ret_listener, int *ret_named)
{
	uint32_t pid, n;
	int err;

	if (!says("LISTEN_PID", INT32_MAX, &pid) || (pid_t)pid != getpid() ||
	    !says("LISTEN_FDS", MAX_FDS, &n))
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		err = take((int)(FIRST_FD + i), path, ret_listener, ret_named);
		if (!err)
			continue;
		sks_log(SKS_LOG_ERR,
			"descriptor %u of LISTEN_FDS is not a listening SOCK_SEQPACKET socket at "
			"%s or @%s",
			FIRST_FD + i, path, path);
		return err;
	}
	return 0;
}

void sks_manager_open(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	CLEANUP_FD int fd = -1;
	socklen_t len = sizeof(addr);

	if (!path)
		return;
	if (*path == '@')
		len = sks_wire_name(path + 1, &addr);
	else
		(void)strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, len))
		sks_log(SKS_LOG_WARNING, "NOTIFY_SOCKET: %s: %s", path, strerror(errno));
	else
		notify = sks_take_fd(&fd);
}

void sks_manager_ready(void)
{
	static const char ready[] = "READY=1";

	if (notify < 0)
		return;
	if (write(notify, ready, sizeof(ready) - 1) < 0)
		sks_log(SKS_LOG_WARNING, "NOTIFY_SOCKET: %s", strerror(errno));
	sks_closep(&notify);
	notify = -1;
}
