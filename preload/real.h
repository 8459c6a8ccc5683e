/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the way to the next bind(), listen() and so on in the server: libc's or another preload's. */
#ifndef SKSTEER_REAL_H
#define SKSTEER_REAL_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

struct epoll_event;
struct mmsghdr; /* which not all headers define alike */

/*
 * Looks all up now. Later another thread may hold the loader's lock and wait for the one that
 * binds.
 */
void sks_real_resolve(void);

/*
 * Exactly as bind(2) and the others, errno included. Callable before any constructor has run; those
 * that allocators and loggers call then are the plain system call until sks_real_resolve().
 */
int sks_real_bind(int fd, const struct sockaddr *addr, socklen_t len);
int sks_real_listen(int fd, int backlog);
int sks_real_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
int sks_real_shutdown(int fd, int how);
int sks_real_connect(int fd, const struct sockaddr *addr, socklen_t len);
ssize_t sks_real_read(int fd, void *buf, size_t n);
ssize_t sks_real_readv(int fd, const struct iovec *iov, int n);
ssize_t sks_real_recv(int fd, void *buf, size_t n, int flags);
ssize_t sks_real_recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *addr,
			  socklen_t *len);
ssize_t sks_real_recvmsg(int fd, struct msghdr *msg, int flags);
int sks_real_recvmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags,
		      struct timespec *timeout);
ssize_t sks_real_sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *addr,
			socklen_t len);
ssize_t sks_real_sendmsg(int fd, const struct msghdr *msg, int flags);
int sks_real_sendmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags);
int sks_real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int sks_real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int sks_real_dup(int fd);
int sks_real_dup2(int fd, int other);
int sks_real_dup3(int fd, int other, int flags);
int sks_real_fcntl(int fd, int cmd, long arg);
int sks_real_fcntl64(int fd, int cmd, long arg);
int sks_real_close(int fd);
int sks_real_close_range(unsigned int first, unsigned int last, int flags);
void sks_real_closefrom(int first);
int sks_real_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
int sks_real_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int sks_real_ioctl(int fd, unsigned long request, void *arg);
long sks_real_syscall(long number, long a, long b, long c, long d, long e, long f);
/* Of glibc's fortified programs: these do not return where n is more than room. */
ssize_t sks_real_read_chk(int fd, void *buf, size_t n, size_t room);
ssize_t sks_real_recv_chk(int fd, void *buf, size_t n, size_t room, int flags);
ssize_t sks_real_recvfrom_chk(int fd, void *buf, size_t n, size_t room, int flags,
			      struct sockaddr *addr, socklen_t *len);

#endif
