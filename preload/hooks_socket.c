/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the calls by which an unmodified server changes a socket that receives datagrams, or gets
 * another descriptor of it.
 */
#undef _GNU_SOURCE /* with it glibc declares addresses as unions */
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connect.h"
#include "control.h"
#include "dgram.h"
#include "export.h"
#include "options.h"
#include "real.h"

#ifndef F_DUPFD_CLOEXEC
#define F_DUPFD_CLOEXEC 1030
#endif

/* Declared only with _GNU_SOURCE or _LARGEFILE64_SOURCE. */
int dup3(int fd, int other, int flags);
int close_range(unsigned int first, unsigned int last, int flags);
void closefrom(int first);
#undef fcntl64
int fcntl64(int fd, int cmd, ...);

SKS_EXPORT int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct sks_dgram *dgram = sks_dgram_find(fd, SKS_DGRAM_STEERED);

	return dgram && sks_connect(dgram, fd, addr, len) ? 0 : sks_real_connect(fd, addr, len);
}

/* What says that the server wants to be told where datagrams were sent to, or 0. */
static uint32_t asks_for(int level, int name)
{
	if (level == IPPROTO_IP && name == SKS_ORIGDST4)
		return SKS_DGRAM_ASKED4;
	return level == IPPROTO_IPV6 && name == SKS_ORIGDST6 ? SKS_DGRAM_ASKED6 : 0;
}

/* We want it always; the kernel is told nothing else. */
static int ask(struct sks_dgram *dgram, uint32_t flag, const void *value, socklen_t len)
{
	int wanted = 0;

	memcpy(&wanted, value, len < sizeof(wanted) ? 1 : sizeof(wanted));
	if (wanted)
		dgram->flags |= flag;
	else
		dgram->flags &= ~flag;
	return 0;
}

SKS_EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	struct sks_dgram *dgram = sks_dgram_find(fd, SKS_DGRAM_STEERED);
	uint32_t flag;
	int ret;

	if (!dgram)
		return sks_real_setsockopt(fd, level, name, value, len);
	flag = asks_for(level, name);
	if (flag && value && len && sks_dgram_holds(dgram, fd))
		return ask(dgram, flag, value, len);
	ret = sks_real_setsockopt(fd, level, name, value, len);
	if (!ret && sks_option_is_sent(level, name))
		sks_reply_sockets_set(&sks_udp->replies, dgram->cookie, level, name, value, len);
	return ret;
}

SKS_EXPORT int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	struct sks_dgram *dgram = sks_dgram_find(fd, SKS_DGRAM_STEERED);
	uint32_t flag = dgram ? asks_for(level, name) : 0;
	int asked, ret = sks_real_getsockopt(fd, level, name, value, len);

	if (!flag || ret || !sks_dgram_holds(dgram, fd))
		return ret;
	asked = dgram->flags & flag ? 1 : 0;
	memcpy(value, &asked, *len < sizeof(asked) ? *len : sizeof(asked));
	return 0;
}

static int duplicated(int fd, int other)
{
	if (other >= 0 && __builtin_expect(sks_udp != NULL, 0))
		sks_dgram_duplicate(fd, other);
	return other;
}

SKS_EXPORT int dup(int fd)
{
	return duplicated(fd, sks_real_dup(fd));
}

SKS_EXPORT int dup2(int fd, int other)
{
	return duplicated(fd, sks_real_dup2(fd, other));
}

SKS_EXPORT int dup3(int fd, int other, int flags)
{
	return duplicated(fd, sks_real_dup3(fd, other, flags));
}

/* Before, so that no other thread is sure of what comes after. */
static inline void doubt(unsigned int first, unsigned int last)
{
	if (__builtin_expect(sks_udp != NULL, 0))
		sks_dgram_doubt(first, last);
}

SKS_EXPORT int close(int fd)
{
	doubt((unsigned int)fd, (unsigned int)fd);
	return sks_real_close(fd);
}

SKS_EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
	doubt(first, last);
	return sks_real_close_range(first, last, flags);
}

SKS_EXPORT void closefrom(int first)
{
	doubt(first < 0 ? 0 : (unsigned int)first, UINT32_MAX);
	sks_real_closefrom(first);
}

static int controlled(int fd, int cmd, int ret)
{
	return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC ? duplicated(fd, ret) : ret;
}

/* One argument at most, an int or a pointer, in a register either way. */
SKS_EXPORT int fcntl(int fd, int cmd, ...)
{
	va_list args;
	long arg;

	va_start(args, cmd);
	arg = va_arg(args, long);
	va_end(args);
	return controlled(fd, cmd, sks_real_fcntl(fd, cmd, arg));
}

SKS_EXPORT int fcntl64(int fd, int cmd, ...)
{
	va_list args;
	long arg;

	va_start(args, cmd);
	arg = va_arg(args, long);
	va_end(args);
	return controlled(fd, cmd, sks_real_fcntl64(fd, cmd, arg));
}
