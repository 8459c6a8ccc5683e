/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the kernel is asked about a descriptor of the server, past libc and leaving errno. */
#include "fd.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "../common/raw.h"
#include "config.h"

#define PAGE 4096 /* the smallest that there is */

int sks_fd_option(int fd, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return sks_raw(SYS_getsockopt, fd, SOL_SOCKET, option, &value, &len) ? -1 : value;
}

uint8_t sks_fd_protocol(int fd)
{
	int proto = sks_fd_option(fd, SO_PROTOCOL);

	if (proto == IPPROTO_UDP)
		return sks_fd_option(fd, SO_TYPE) == SOCK_DGRAM ? SKS_UDP : 0;
	if (proto == IPPROTO_TCP || proto == IPPROTO_MPTCP)
		return sks_fd_option(fd, SO_TYPE) == SOCK_STREAM ? SKS_TCP : 0;
	return 0;
}

uint64_t sks_fd_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return sks_raw(SYS_getsockopt, fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) ? 0 : cookie;
}

/*
 * By the very system call that the server is about to make, so that no sandbox is surprised: an
 * address of one byte is copied in and then refused, before anything else is looked at.
 */
static bool may_read_byte(int fd, const char *byte)
{
	return sks_raw(SYS_bind, fd, byte, 1) == -EINVAL;
}

bool sks_fd_may_read(int fd, const void *bytes, size_t len)
{
	const char *first = bytes, *last = first + len - 1;

	return may_read_byte(fd, first) &&
	       ((uintptr_t)first / PAGE == (uintptr_t)last / PAGE || may_read_byte(fd, last));
}
