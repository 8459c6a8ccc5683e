/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the way to the next bind() and listen() in the server: libc's, or another preload's. */
#include "real.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef int bind_fn(int fd, const struct sockaddr *addr, socklen_t len);
typedef int listen_fn(int fd, int backlog);

static _Atomic(bind_fn *) next_bind;
static _Atomic(listen_fn *) next_listen;

static void *look_up(const char *name)
{
	int saved = errno;
	void *symbol = dlsym(RTLD_NEXT, name);

	errno = saved;
	return symbol;
}

void sks_real_resolve(void)
{
	if (!next_bind)
		next_bind = (bind_fn *)look_up("bind");
	if (!next_listen)
		next_listen = (listen_fn *)look_up("listen");
}

/* Looked up at the first call: allocators and others bind before our constructor has its turn. */
int sks_real_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	bind_fn *real = next_bind;

	/* Two threads may both look it up; they store the same answer. */
	if (!real)
		next_bind = real = (bind_fn *)look_up("bind");
	return real ? real(fd, addr, len) : (int)syscall(SYS_bind, fd, addr, len);
}

int sks_real_listen(int fd, int backlog)
{
	listen_fn *real = next_listen;

	if (!real)
		next_listen = real = (listen_fn *)look_up("listen");
	return real ? real(fd, backlog) : (int)syscall(SYS_listen, fd, backlog);
}
