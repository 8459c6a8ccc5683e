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
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connect.h"
#include "control.h"
#include "dgram.h"
#include "export.h"
#include "options.h"
#include "real.h"

#define OPT_UDP_CORK 1

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
	struct sks_dgram *dgram = sks_dgram_find(fd, SKS_DGRAM_STEERED | SKS_DGRAM_CONNECTED);

	if (dgram && dgram->flags & SKS_DGRAM_CONNECTED)
		sks_connect_back(dgram, fd);
	return dgram && dgram->flags & SKS_DGRAM_STEERED && sks_connect(dgram, fd, addr, len)
		       ? 0
		       : sks_real_connect(fd, addr, len);
}

/* connect(2) may put another socket in its place, which epoll(7) has to learn then. */
SKS_EXPORT int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	struct sks_dgram *dgram = sks_dgram_find(fd, SKS_DGRAM_STEERED | SKS_DGRAM_CONNECTED);
	int ret = sks_real_epoll_ctl(epoll, op, fd, event);

	if (dgram && !ret)
		sks_connect_polled(dgram, epoll, op, event);
	return ret;
}

/* From here on a filter of system calls may mind what is not the server's own. */
SKS_EXPORT int prctl(int option, ...)
{
	unsigned long arg[4];
	va_list args;

	va_start(args, option);
	for (int i = 0; i < 4; i++)
		arg[i] = va_arg(args, unsigned long);
	va_end(args);
	if (option == PR_SET_SECCOMP && sks_config_get())
		sks_udp_sandbox();
	return sks_real_prctl(option, arg[0], arg[1], arg[2], arg[3]);
}

/* What says that the server wants to be told where datagrams were sent to, or 0. */
static uint32_t asks_for(int level, int name)
{
	if (level == IPPROTO_IP && name == SKS_ORIGDST4)
		return SKS_DGRAM_ASKED4;
	return level == IPPROTO_IPV6 && name == SKS_ORIGDST6 ? SKS_DGRAM_ASKED6 : 0;
}

/* As the kernel reads a switch: by its first byte where it is shorter than an int. */
static bool is_on(const void *value, socklen_t len)
{
	int on = 0;

	memcpy(&on, value, len < sizeof(on) ? 1 : sizeof(on));
	return on;
}

static void note_option(struct sks_dgram *dgram, int fd, int level, int name, const void *value,
			socklen_t len)
{
	if (level == IPPROTO_UDP && name == OPT_UDP_CORK && len)
		sks_dgram_ask(dgram, SKS_DGRAM_CORKED, is_on(value, len));
	if (sks_option_is_sent(level, name) && sks_dgram_holds(dgram, fd))
		sks_reply_sockets_set(&sks_udp->replies, dgram->cookie, level, name, value, len);
}

SKS_EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	struct sks_dgram *dgram = sks_dgram_find(fd, SKS_DGRAM_STEERED);
	uint32_t flag;
	int ret;

	flag = sks_udp ? asks_for(level, name) : 0;
	if (!dgram && flag && !sks_sandboxed)
		sks_dgram_pass_over(fd);
	if (!dgram)
		return sks_real_setsockopt(fd, level, name, value, len);
	/* We want it always; the kernel is told nothing else. */
	if (flag && len && sks_dgram_may_read(fd, value, len < 4 ? 1 : 4) &&
	    sks_dgram_holds(dgram, fd)) {
		sks_dgram_ask(dgram, flag, is_on(value, len));
		return 0;
	}
	ret = sks_real_setsockopt(fd, level, name, value, len);
	if (!ret)
		note_option(dgram, fd, level, name, value, len);
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

static inline void closing(unsigned int first, unsigned int last)
{
	if (__builtin_expect(sks_udp != NULL, 0))
		sks_dgram_closing(first, last);
}

static inline void closed(unsigned int first, unsigned int last)
{
	int saved = errno;

	if (__builtin_expect(sks_udp != NULL, 0))
		sks_dgram_closed(first, last);
	errno = saved;
}

SKS_EXPORT int close(int fd)
{
	int ret;

	closing((unsigned int)fd, (unsigned int)fd);
	ret = sks_real_close(fd);
	closed((unsigned int)fd, (unsigned int)fd);
	return ret;
}

SKS_EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
	int ret;

	closing(first, last);
	ret = sks_real_close_range(first, last, flags);
	closed(first, last);
	return ret;
}

SKS_EXPORT void closefrom(int first)
{
	unsigned int from = first < 0 ? 0 : (unsigned int)first;

	closing(from, UINT32_MAX);
	sks_real_closefrom(first);
	closed(from, UINT32_MAX);
}

static int duplicated(int fd, int other)
{
	if (other >= 0 && __builtin_expect(sks_udp != NULL, 0))
		sks_dgram_duplicate(fd, other);
	return other;
}

/* What is at the number of the new one is closed by the way. */
static int duplicated_over(int fd, int wanted, int other)
{
	if (other >= 0 && fd != wanted)
		closed((unsigned int)wanted, (unsigned int)wanted);
	return duplicated(fd, other);
}

SKS_EXPORT int dup(int fd)
{
	return duplicated(fd, sks_real_dup(fd));
}

SKS_EXPORT int dup2(int fd, int other)
{
	closing((unsigned int)other, (unsigned int)other);
	return duplicated_over(fd, other, sks_real_dup2(fd, other));
}

SKS_EXPORT int dup3(int fd, int other, int flags)
{
	closing((unsigned int)other, (unsigned int)other);
	return duplicated_over(fd, other, sks_real_dup3(fd, other, flags));
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
