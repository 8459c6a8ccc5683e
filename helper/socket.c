// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns what the helper has to know of a descriptor that it was sent. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/maps.h"
#include "curb.h"
#include "kernel.h"
#include "socket.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static int option(int fd, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, name, &value, &len) ? -errno : value;
}

static int check_kind(int fd, struct sks_socket *socket, struct sks_verdict *verdict)
{
	int domain = option(fd, SOL_SOCKET, SO_DOMAIN);
	int proto = option(fd, SOL_SOCKET, SO_PROTOCOL);
	int type = option(fd, SOL_SOCKET, SO_TYPE);

	/* Not by fstat(2): of a stranger's FUSE file that would run the stranger's code. */
	if (domain < 0) /* -EBADF of an O_PATH descriptor */
		return sks_refuse(verdict, -ENOTSOCK, "the descriptor is not a socket");
	if (domain != AF_INET && domain != AF_INET6)
		return sks_refuse(verdict, -EAFNOSUPPORT,
				  "the socket is neither IPv4 nor IPv6 (address family %d)",
				  domain);
	if (proto == IPPROTO_MPTCP)
		return sks_refuse(verdict, -EPROTONOSUPPORT,
				  "the socket is MPTCP, which the kernel cannot steer");
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return sks_refuse(verdict, -EPROTONOSUPPORT,
				  "the socket is neither TCP nor UDP (protocol %d)", proto);
	if (type != (proto == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM))
		return sks_refuse(verdict, -EPROTONOSUPPORT,
				  "the socket is raw (protocol %d, type %d)", proto, type);
	socket->proto = proto == IPPROTO_UDP ? SKS_UDP : SKS_TCP;
	return 0;
}

static uint8_t families_of(int fd, const struct sks_prefix *addr, int domain)
{
	if (domain == AF_INET)
		return SKS_SERVES_V4 | SKS_SERVES_AS_V4;
	if (addr->family == AF_INET)
		return SKS_SERVES_V4 | SKS_SERVES_AS_V6;
	if (addr->len || option(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 1)
		return SKS_SERVES_V6;
	return SKS_SERVES_BOTH | SKS_SERVES_AS_V6;
}

static int check_device(int fd, uint32_t scope, struct sks_socket *socket,
			struct sks_verdict *verdict)
{
	int bound = option(fd, SOL_SOCKET, SO_BINDTOIFINDEX);

	socket->ifindex = bound > 0 ? (uint32_t)bound : scope;
	if (socket->ifindex && !sks_kernel_knows_ingress())
		return sks_refuse(verdict, -EOPNOTSUPP,
				  "the socket is bound to an interface, which needs Linux 5.17");
	return 0;
}

static uint32_t scope_of(const struct sockaddr_storage *sa)
{
	const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)sa;

	if (sa->ss_family != AF_INET6 || !IN6_IS_ADDR_LINKLOCAL(&sin6->sin6_addr))
		return 0;
	return sin6->sin6_scope_id;
}

/* Of a socket fstat(2) runs no stranger's code. The kernel numbers them by 32 bits. */
static uint32_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : (uint32_t)st.st_ino;
}

int sks_socket_read(int fd, struct sks_socket *ret_socket, struct sks_verdict *verdict)
{
	struct sks_socket sock = {};
	struct sockaddr_storage sa = {}, peer;
	socklen_t len = sizeof(sa), peer_len = sizeof(peer), cookie_len = sizeof(sock.cookie);
	int err = check_kind(fd, &sock, verdict);

	if (err)
		return err;
	if (!getpeername(fd, (struct sockaddr *)&peer, &peer_len))
		return sks_refuse(verdict, -EISCONN, "the socket is connected");
	if (getsockname(fd, (struct sockaddr *)&sa, &len))
		return sks_refuse(verdict, -errno, "the socket has no name: %s", strerror(errno));
	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &sock.cookie, &cookie_len))
		return sks_refuse(verdict, -errno, "the socket has no cookie: %s", strerror(errno));
	err = sks_prefix_from_sockaddr((const struct sockaddr *)&sa, len, &sock.addr, &sock.port);
	if (err)
		return sks_refuse(verdict, err, "the socket's name is malformed");
	sock.families = families_of(fd, &sock.addr, sa.ss_family);
	sock.inode = inode_of(fd);
	sock.listening = option(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1;
	err = check_device(fd, scope_of(&sa), &sock, verdict);
	if (!err)
		*ret_socket = sock;
	return err;
}

int sks_socket_plan(struct sks_socket *sock, int fd, uint16_t family, const uint8_t addr[16],
		    uint16_t port, struct sks_verdict *verdict)
{
	struct sockaddr_storage sa = {};
	struct sockaddr_in *sin = (struct sockaddr_in *)&sa;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&sa;
	int err;

	sa.ss_family = family;
	if (family == AF_INET) {
		memcpy(&sin->sin_addr, addr, sizeof(sin->sin_addr));
		sin->sin_port = htons(port);
	} else {
		memcpy(&sin6->sin6_addr, addr, sizeof(sin6->sin6_addr));
		sin6->sin6_port = htons(port);
	}
	err = sks_prefix_from_sockaddr((const struct sockaddr *)&sa, sizeof(sa), &sock->addr,
				       &sock->port);
	if (err || !port)
		return sks_refuse(verdict, -EINVAL, "the address to check is malformed");
	sock->families = families_of(fd, &sock->addr, family);
	return 0;
}

int sks_socket_ready(const struct sks_socket *sock, struct sks_verdict *verdict)
{
	if (!sock->port)
		return sks_refuse(verdict, -EINVAL, "the socket is not bound");
	if (sock->proto == SKS_TCP && !sock->listening)
		return sks_refuse(verdict, -EINVAL, "the socket does not listen");
	return 0;
}

/* A connected socket may linger, and so may one of a protocol that is not steered. */
static bool may_linger(int fd)
{
	int proto = option(fd, SOL_SOCKET, SO_PROTOCOL);
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP && proto != IPPROTO_MPTCP)
		return true;
	return getpeername(fd, (struct sockaddr *)&peer, &len) == 0;
}

void sks_socket_close(int fd)
{
	struct linger off = {};

	if (fd < 0)
		return;
	/* A listener's option is its server's own: every connection that it accepts inherits it. */
	if (!may_linger(fd)) {
		(void)close(fd);
		return;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
	sks_curb_begin(); /* it may have others in its queue */
	(void)close(fd);
	sks_curb_end();
}

int sks_socket_receive(int conn, void *buf, size_t size, int *ret_fd)
{
	int fds[SKS_WIRE_FDS];
	size_t n;
	int len = sks_wire_recv_all(conn, buf, size, MSG_DONTWAIT, fds, &n);

	if (len >= 0) {
		*ret_fd = n ? fds[0] : -1;
		return len;
	}
	while (n > 0)
		sks_socket_close(fds[--n]);
	return len;
}
