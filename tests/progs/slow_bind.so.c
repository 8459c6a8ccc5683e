/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns a second preload, whose bind() takes so long that the binds of several threads overlap. */
#undef _GNU_SOURCE /* with it glibc declares the address of bind() as a union */
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	int ret = (int)syscall(SYS_bind, fd, addr, len);

	(void)poll(NULL, 0, 10); /* which the helper may call, too */
	return ret;
}
