/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the way to the next bind(), listen() and so on in the server: libc's or another preload's. */
#include "real.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../common/raw.h"

enum name {
	BIND,
	LISTEN,
	GETSOCKNAME,
	SHUTDOWN,
	LAZY, /* the ones before are looked up at the first call, the others by sks_real_resolve() */
	CONNECT = LAZY,
	READ,
	READV,
	RECV,
	RECVFROM,
	RECVMSG,
	RECVMMSG,
	SENDTO,
	SENDMSG,
	SENDMMSG,
	SETSOCKOPT,
	GETSOCKOPT,
	DUP,
	DUP2,
	DUP3,
	FCNTL,
	FCNTL64,
	CLOSE,
	CLOSE_RANGE,
	CLOSEFROM,
	EPOLL_CTL,
	PRCTL,
	IOCTL,
	SYSCALL,
	READ_CHK,
	RECV_CHK,
	RECVFROM_CHK,
	NAMES
};

static const char names[NAMES][15] = {
	[BIND] = "bind",
	[LISTEN] = "listen",
	[GETSOCKNAME] = "getsockname",
	[SHUTDOWN] = "shutdown",
	[CONNECT] = "connect",
	[READ] = "read",
	[READV] = "readv",
	[RECV] = "recv",
	[RECVFROM] = "recvfrom",
	[RECVMSG] = "recvmsg",
	[RECVMMSG] = "recvmmsg",
	[SENDTO] = "sendto",
	[SENDMSG] = "sendmsg",
	[SENDMMSG] = "sendmmsg",
	[SETSOCKOPT] = "setsockopt",
	[GETSOCKOPT] = "getsockopt",
	[DUP] = "dup",
	[DUP2] = "dup2",
	[DUP3] = "dup3",
	[FCNTL] = "fcntl",
	[FCNTL64] = "fcntl64",
	[CLOSE] = "close",
	[CLOSE_RANGE] = "close_range",
	[CLOSEFROM] = "closefrom",
	[EPOLL_CTL] = "epoll_ctl",
	[PRCTL] = "prctl",
	[IOCTL] = "ioctl",
	[SYSCALL] = "syscall",
	[READ_CHK] = "__read_chk",
	[RECV_CHK] = "__recv_chk",
	[RECVFROM_CHK] = "__recvfrom_chk",
};
static _Atomic(void *) next[NAMES];

/* Two threads may both look it up; they store the same answer. */
static void *resolve(enum name name)
{
	int saved = errno;
	void *symbol = dlsym(RTLD_NEXT, names[name]);

	next[name] = symbol;
	errno = saved;
	return symbol;
}

/*
 * Allocators and others bind before our constructor has its turn. What they read then may be inside
 * their own initialization, where dlsym(3) must not ask them for memory.
 */
static inline void *look_up(enum name name)
{
	void *symbol = next[name];

	return symbol || name >= LAZY ? symbol : resolve(name);
}

void sks_real_resolve(void)
{
	for (enum name name = BIND; name < NAMES; name++)
		(void)resolve(name);
}

/* Not syscall(3), which is a hook of ours as well. */
static long plain6(long number, long a, long b, long c, long d, long e, long f)
{
	long ret = sks_raw6(number, a, b, c, d, e, f);

	if (ret >= 0 || ret < -4095)
		return ret;
	errno = (int)-ret;
	return -1;
}
#define PLAIN(number, a, b, c, d, e, f, ...) \
	plain6(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define plain(...) PLAIN(__VA_ARGS__, 0, 0, 0, 0, 0, 0)

/* The call as the next object has it, else as the kernel has it. */
#define REAL(name, function, number, ...)                                      \
	__typeof__(&(function)) real = (__typeof__(&(function)))look_up(name); \
	return real ? real(__VA_ARGS__)                                        \
		    : (__typeof__(function(__VA_ARGS__)))plain(number, __VA_ARGS__)

int sks_real_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	REAL(BIND, sks_real_bind, SYS_bind, fd, addr, len);
}

int sks_real_listen(int fd, int backlog)
{
	REAL(LISTEN, sks_real_listen, SYS_listen, fd, backlog);
}

int sks_real_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	REAL(GETSOCKNAME, sks_real_getsockname, SYS_getsockname, fd, addr, len);
}

int sks_real_shutdown(int fd, int how)
{
	REAL(SHUTDOWN, sks_real_shutdown, SYS_shutdown, fd, how);
}

int sks_real_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	REAL(CONNECT, sks_real_connect, SYS_connect, fd, addr, len);
}

ssize_t sks_real_read(int fd, void *buf, size_t n)
{
	REAL(READ, sks_real_read, SYS_read, fd, buf, n);
}

ssize_t sks_real_readv(int fd, const struct iovec *iov, int n)
{
	REAL(READV, sks_real_readv, SYS_readv, fd, iov, n);
}

ssize_t sks_real_recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *addr,
			  socklen_t *len)
{
	REAL(RECVFROM, sks_real_recvfrom, SYS_recvfrom, fd, buf, n, flags, addr, len);
}

ssize_t sks_real_recvmsg(int fd, struct msghdr *msg, int flags)
{
	REAL(RECVMSG, sks_real_recvmsg, SYS_recvmsg, fd, msg, flags);
}

int sks_real_recvmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags,
		      struct timespec *timeout)
{
	REAL(RECVMMSG, sks_real_recvmmsg, SYS_recvmmsg, fd, msgs, n, flags, timeout);
}

ssize_t sks_real_sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *addr,
			socklen_t len)
{
	REAL(SENDTO, sks_real_sendto, SYS_sendto, fd, buf, n, flags, addr, len);
}

ssize_t sks_real_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	REAL(SENDMSG, sks_real_sendmsg, SYS_sendmsg, fd, msg, flags);
}

int sks_real_sendmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags)
{
	REAL(SENDMMSG, sks_real_sendmmsg, SYS_sendmmsg, fd, msgs, n, flags);
}

int sks_real_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	REAL(SETSOCKOPT, sks_real_setsockopt, SYS_setsockopt, fd, level, name, value, len);
}

int sks_real_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	REAL(GETSOCKOPT, sks_real_getsockopt, SYS_getsockopt, fd, level, name, value, len);
}

int sks_real_dup(int fd)
{
	REAL(DUP, sks_real_dup, SYS_dup, fd);
}

int sks_real_dup3(int fd, int other, int flags)
{
	REAL(DUP3, sks_real_dup3, SYS_dup3, fd, other, flags);
}

int sks_real_fcntl(int fd, int cmd, long arg)
{
	REAL(FCNTL, sks_real_fcntl, SYS_fcntl, fd, cmd, arg);
}

int sks_real_fcntl64(int fd, int cmd, long arg)
{
	REAL(FCNTL64, sks_real_fcntl64, SYS_fcntl, fd, cmd, arg);
}

int sks_real_close(int fd)
{
	REAL(CLOSE, sks_real_close, SYS_close, fd);
}

int sks_real_close_range(unsigned int first, unsigned int last, int flags)
{
	REAL(CLOSE_RANGE, sks_real_close_range, SYS_close_range, first, last, flags);
}

int sks_real_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	REAL(EPOLL_CTL, sks_real_epoll_ctl, SYS_epoll_ctl, epoll, op, fd, event);
}

int sks_real_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	REAL(PRCTL, sks_real_prctl, SYS_prctl, option, a, b, c, d);
}

int sks_real_ioctl(int fd, unsigned long request, void *arg)
{
	REAL(IOCTL, sks_real_ioctl, SYS_ioctl, fd, request, arg);
}

long sks_real_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	long (*real)(long number, ...) = (long (*)(long number, ...))look_up(SYSCALL);

	return real ? real(number, a, b, c, d, e, f) : plain6(number, a, b, c, d, e, f);
}

ssize_t sks_real_recv(int fd, void *buf, size_t n, int flags)
{
	__typeof__(&sks_real_recv) real = (__typeof__(&sks_real_recv))look_up(RECV);

	return real ? real(fd, buf, n, flags)
		    : (ssize_t)plain(SYS_recvfrom, fd, buf, n, flags, NULL, NULL);
}

int sks_real_dup2(int fd, int other)
{
	__typeof__(&sks_real_dup2) real = (__typeof__(&sks_real_dup2))look_up(DUP2);

	if (real)
		return real(fd, other);
	if (fd == other) /* dup3(2) does not take it */
		return plain(SYS_fcntl, fd, F_GETFD) < 0 ? -1 : fd;
	return (int)plain(SYS_dup3, fd, other, 0);
}

void sks_real_closefrom(int first)
{
	__typeof__(&sks_real_closefrom) real = (__typeof__(&sks_real_closefrom))look_up(CLOSEFROM);
	unsigned int from = first < 0 ? 0 : (unsigned int)first;

	if (real)
		real(first);
	else if (plain(SYS_close_range, from, ~0u, 0) < 0)
		for (long fd = sysconf(_SC_OPEN_MAX); fd-- > (long)from;)
			(void)plain(SYS_close, fd);
}

/* Whoever calls these has a libc that has them. */
#define REAL_CHK(name, function, ...)                                          \
	__typeof__(&(function)) real = (__typeof__(&(function)))look_up(name); \
	if (!real)                                                             \
		real = (__typeof__(&(function)))resolve(name);                 \
	if (!real)                                                             \
		__builtin_trap();                                              \
	return real(__VA_ARGS__)

ssize_t sks_real_read_chk(int fd, void *buf, size_t n, size_t room)
{
	REAL_CHK(READ_CHK, sks_real_read_chk, fd, buf, n, room);
}

ssize_t sks_real_recv_chk(int fd, void *buf, size_t n, size_t room, int flags)
{
	REAL_CHK(RECV_CHK, sks_real_recv_chk, fd, buf, n, room, flags);
}

ssize_t sks_real_recvfrom_chk(int fd, void *buf, size_t n, size_t room, int flags,
			      struct sockaddr *addr, socklen_t *len)
{
	REAL_CHK(RECVFROM_CHK, sks_real_recvfrom_chk, fd, buf, n, room, flags, addr, len);
}
