/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the way to the next bind(), listen() and so on in the server: libc's or another preload's. */
#include "real.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef int bind_fn(int fd, const struct sockaddr *addr, socklen_t len);
typedef int listen_fn(int fd, int backlog);
typedef int getsockname_fn(int fd, struct sockaddr *addr, socklen_t *len);
typedef int shutdown_fn(int fd, int how);

enum name { BIND, LISTEN, GETSOCKNAME, SHUTDOWN, NAMES };

static const char names[NAMES][12] = {
	[BIND] = "bind",
	[LISTEN] = "listen",
	[GETSOCKNAME] = "getsockname",
	[SHUTDOWN] = "shutdown",
};
static _Atomic(void *) next[NAMES];

/* Looked up at the first call: allocators and others bind before our constructor has its turn. */
static void *look_up(enum name name)
{
	void *symbol = next[name];
	int saved = errno;

	if (symbol)
		return symbol;
	/* Two threads may both look it up; they store the same answer. */
	next[name] = symbol = dlsym(RTLD_NEXT, names[name]);
	errno = saved;
	return symbol;
}

void sks_real_resolve(void)
{
	for (enum name name = BIND; name < NAMES; name++)
		(void)look_up(name);
}

int sks_real_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	bind_fn *real = (bind_fn *)look_up(BIND);

	return real ? real(fd, addr, len) : (int)syscall(SYS_bind, fd, addr, len);
}

int sks_real_listen(int fd, int backlog)
{
	listen_fn *real = (listen_fn *)look_up(LISTEN);

	return real ? real(fd, backlog) : (int)syscall(SYS_listen, fd, backlog);
}

int sks_real_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	getsockname_fn *real = (getsockname_fn *)look_up(GETSOCKNAME);

	return real ? real(fd, addr, len) : (int)syscall(SYS_getsockname, fd, addr, len);
}

int sks_real_shutdown(int fd, int how)
{
	shutdown_fn *real = (shutdown_fn *)look_up(SHUTDOWN);

	return real ? real(fd, how) : (int)syscall(SYS_shutdown, fd, how);
}
