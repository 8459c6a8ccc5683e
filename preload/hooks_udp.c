/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the calls by which an unmodified server receives and sends datagrams. Nearly all that come
 * by are of files, pipes and connections, in processes that have nothing to do with UDP: those pay
 * one test.
 */
#undef _GNU_SOURCE /* with it glibc declares addresses as unions */
#define _DEFAULT_SOURCE
#include <asm/ioctls.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "dgram.h"
#include "export.h"
#include "real.h"
#include "receive.h"

/* Declared only with _GNU_SOURCE or _FORTIFY_SOURCE, or not everywhere alike. */
int ioctl(int fd, unsigned long request, ...);
int recvmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags, struct timespec *timeout);
int sendmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags);
ssize_t __read_chk(int fd, void *buf, size_t n, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t n, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t room, int flags, struct sockaddr *addr,
		       socklen_t *len);

/* Into one buffer. */
static ssize_t receive_into(struct sks_dgram *dgram, int fd, void *buf, size_t n, int flags)
{
	struct iovec iov = { .iov_base = buf, .iov_len = n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	return sks_receive(dgram, fd, &msg, flags);
}

static ssize_t receive_from(struct sks_dgram *dgram, int fd, void *buf, size_t n, int flags,
			    struct sockaddr *addr, socklen_t *len)
{
	struct iovec iov = { .iov_base = buf, .iov_len = n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = addr };
	ssize_t got;

	/* The kernel says what is wrong with that. */
	if (addr && (!sks_dgram_may_read(fd, len, sizeof(*len)) || (int)*len < 0))
		return sks_real_recvfrom(fd, buf, n, flags, addr, len);
	if (addr)
		msg.msg_namelen = *len;
	got = sks_receive(dgram, fd, &msg, flags);
	if (got >= 0 && addr)
		*len = msg.msg_namelen;
	return got;
}

/* More is not received at once by any call, and by some refused. */
static size_t at_most(size_t n)
{
	return n < SKS_LENGTH_MAX ? n : SKS_LENGTH_MAX;
}

SKS_EXPORT ssize_t recv(int fd, void *buf, size_t n, int flags)
{
	struct sks_dgram *dgram = sks_dgram_receiver(fd);

	return dgram ? receive_into(dgram, fd, buf, at_most(n), flags)
		     : sks_real_recv(fd, buf, n, flags);
}

SKS_EXPORT ssize_t recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *addr,
			    socklen_t *len)
{
	struct sks_dgram *dgram = sks_dgram_receiver(fd);

	return dgram ? receive_from(dgram, fd, buf, at_most(n), flags, addr, len)
		     : sks_real_recvfrom(fd, buf, n, flags, addr, len);
}

/* In a sandbox as well: the control message that is ours has still to be taken out. */
static struct sks_dgram *find_receiver(int fd)
{
	return sks_sandboxed ? sks_dgram_peek(fd, SKS_DGRAM_STEERED) : sks_dgram_receiver(fd);
}

SKS_EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct sks_dgram *dgram = find_receiver(fd);

	return dgram && msg ? sks_receive(dgram, fd, msg, flags) : sks_real_recvmsg(fd, msg, flags);
}

SKS_EXPORT int recvmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags,
			struct timespec *timeout)
{
	struct sks_dgram *dgram = find_receiver(fd);

	return dgram && msgs ? sks_receive_many(dgram, fd, msgs, n, flags, timeout)
			     : sks_real_recvmmsg(fd, msgs, n, flags, timeout);
}

/*
 * read(2) is on everything: what has taken a closed socket's place without our seeing is read as
 * what it is. To read nothing leaves a datagram where it is, to receive nothing does not.
 */
SKS_EXPORT ssize_t read(int fd, void *buf, size_t n)
{
	struct sks_dgram *dgram = sks_dgram_find(fd, SKS_DGRAM_STEERED);
	int saved = errno;
	ssize_t got;

	if (!dgram || !n)
		return sks_real_read(fd, buf, n);
	got = receive_into(dgram, fd, buf, at_most(n), 0);
	if (got >= 0 || errno != ENOTSOCK)
		return got;
	errno = saved;
	return sks_real_read(fd, buf, n);
}

static bool is_nothing(const struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++) {
		if (iov[i].iov_len)
			return false;
	}
	return true;
}

SKS_EXPORT ssize_t readv(int fd, const struct iovec *iov, int n)
{
	struct sks_dgram *dgram = sks_dgram_find(fd, SKS_DGRAM_STEERED);
	struct msghdr msg = { .msg_iov = (struct iovec *)iov };
	int saved = errno;
	ssize_t got;

	if (!dgram || n <= 0 || n > SKS_IOV_MAX ||
	    !sks_dgram_may_read(fd, iov, (size_t)n * sizeof(*iov)) || is_nothing(iov, n))
		return sks_real_readv(fd, iov, n);
	msg.msg_iovlen = (size_t)n;
	got = sks_receive(dgram, fd, &msg, 0);
	if (got >= 0 || errno != ENOTSOCK)
		return got;
	errno = saved;
	return sks_real_readv(fd, iov, n);
}

/* What is inherited may be asked for before it receives. */
SKS_EXPORT int ioctl(int fd, unsigned long request, ...)
{
	bool asks = (unsigned int)request == FIONREAD; /* musl's is an int */
	struct sks_dgram *dgram = asks ? sks_dgram_receiver(fd) : NULL;
	va_list args;
	void *arg;
	int ret;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	ret = sks_real_ioctl(fd, request, arg);
	if (dgram && !ret && !*(int *)arg && sks_dgram_holds(dgram, fd))
		*(int *)arg = sks_receive_next(fd);
	return ret;
}

SKS_EXPORT ssize_t __read_chk(int fd, void *buf, size_t n, size_t room)
{
	return n > room ? sks_real_read_chk(fd, buf, n, room) : read(fd, buf, n);
}

SKS_EXPORT ssize_t __recv_chk(int fd, void *buf, size_t n, size_t room, int flags)
{
	return n > room ? sks_real_recv_chk(fd, buf, n, room, flags) : recv(fd, buf, n, flags);
}

SKS_EXPORT ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t room, int flags,
				  struct sockaddr *addr, socklen_t *len)
{
	return n > room ? sks_real_recvfrom_chk(fd, buf, n, room, flags, addr, len)
			: recvfrom(fd, buf, n, flags, addr, len);
}

SKS_EXPORT ssize_t sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *addr,
			  socklen_t len)
{
	struct sks_dgram *dgram = sks_dgram_find(fd, SKS_DGRAM_STEERED);
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = (void *)addr };

	if (!dgram || !addr)
		return sks_real_sendto(fd, buf, n, flags, addr, len);
	msg.msg_namelen = len;
	return sks_answer(dgram, fd, &msg, flags);
}

SKS_EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct sks_dgram *dgram = sks_dgram_find(fd, SKS_DGRAM_STEERED);

	return dgram && msg ? sks_answer(dgram, fd, msg, flags) : sks_real_sendmsg(fd, msg, flags);
}

SKS_EXPORT int sendmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags)
{
	struct sks_dgram *dgram = sks_dgram_find(fd, SKS_DGRAM_STEERED);

	return dgram && msgs && n ? sks_answer_many(dgram, fd, msgs, n, flags)
				  : sks_real_sendmmsg(fd, msgs, n, flags);
}
