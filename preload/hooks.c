/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the calls that an unmodified server makes into us: the real call, ours around it. */
#undef _GNU_SOURCE /* with it glibc declares the address of bind() as a union */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "../common/raw.h"
#include "config.h"
#include "dgram.h"
#include "export.h"
#include "fd.h"
#include "moved.h"
#include "offer.h"
#include "place.h"
#include "real.h"
#include "select.h"

/* Only what the kernel could read as well is read here. Longer ones it refuses unread. */
static bool is_readable(int fd, const struct sockaddr *addr, socklen_t len)
{
	return addr && len >= sizeof(struct sockaddr_in) &&
	       len <= sizeof(struct sockaddr_storage) && sks_fd_may_read(fd, addr, len);
}

/* Has the helper a say in bind(2) itself? */
static bool asks_before(const struct sks_config *config)
{
	return config->strict || (config->mode != SKS_MODE_REFUSE && !config->error[0]);
}

/*
 * Would it be steered (strict), and where is it to be bound (modes)? False with errno set: then
 * bind(2) fails, and nothing was opened.
 */
static bool ask_before(const struct sks_config *config, int fd, const struct sockaddr *addr,
		       socklen_t len, struct sks_placing *place)
{
	struct sks_choice choice;
	uint8_t proto;
	int err;

	if (!is_readable(fd, addr, len) || !sks_choose(config, addr, len, &choice))
		return true;
	proto = sks_fd_protocol(fd);
	if (!sks_is_wanted(&choice, proto) ||
	    (!config->strict && !sks_place_depends(config, proto)))
		return true;
	err = sks_place_find(config, fd, addr, len, proto, place);
	if (!err || !config->strict)
		return true;
	(void)sks_fail(err);
	return false;
}

/* After a bind that clauses may speak of. The kernel takes a UDP socket into a socket map now. */
static int serve_bound(const struct sks_config *config, int fd, const struct sks_choice *choice)
{
	/* Only a question that UDP or strictness asks is worth a system call here. */
	bool ask = config->strict || (choice->named | choice->unnamed) & SKS_UDP;
	uint8_t proto = ask ? sks_fd_protocol(fd) : SKS_TCP;
	uint64_t token = 0;
	int err;

	sks_remember(fd, proto == SKS_TCP ? choice : NULL);
	if (proto != SKS_UDP || !sks_is_wanted(choice, SKS_UDP))
		return 0;
	err = sks_offer_datagrams(config, fd, &token);
	if (err != SKS_NOT_MEANT)
		sks_claim(choice, SKS_UDP);
	if (!err)
		sks_dgram_adopt(fd, token);
	return err < 0 && config->strict ? sks_fail(err) : 0;
}

/*
 * bind(2) was denied, perhaps for the port's number alone: then the helper may bind the socket. 0,
 * or -errno as bind(2) is to fail: where the helper did try, what it met; whatever else it says,
 * EACCES.
 */
static int open_denied(const struct sks_config *config, int fd, const struct sockaddr *addr,
		       socklen_t len)
{
	struct sockaddr_in6 whole = { 0 };
	struct sks_prefix prefix;
	uint16_t port;
	int err;

	/* A filter of system calls denies without having read anything. */
	if (!is_readable(fd, addr, len) || sks_prefix_from_sockaddr(addr, len, &prefix, &port) ||
	    !port)
		return -EACCES;
	memcpy(&whole, addr, len < sizeof(whole) ? len : sizeof(whole));
	err = sks_offer_open(config, fd, (struct sockaddr *)&whole);
	switch (err) {
	case -EINVAL:
		return config->error[0] ? -EACCES : err;
	case -EADDRINUSE:
	case -EADDRNOTAVAIL:
	case -ENODEV:
	case 0:
		return err;
	default:
		/* Its answer may have been lost. */
		return sks_is_bound_to(fd, port) ? 0 : -EACCES;
	}
}

/* No reply socket of ours is in the way of the server's own. */
static void make_way(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct sks_prefix prefix;
	uint16_t port;

	if (is_readable(fd, addr, len) && !sks_prefix_from_sockaddr(addr, len, &prefix, &port) &&
	    port)
		sks_reply_sockets_leave(&sks_udp->replies, port);
}

SKS_EXPORT int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	const struct sks_config *config = sks_config_get();
	struct sks_placing place = { .place = SKS_PLACE_ASKED };
	struct sks_choice choice;
	int saved = errno, err;

	if (!config)
		return sks_real_bind(fd, addr, len);
	if (sks_udp)
		make_way(fd, addr, len);
	if (asks_before(config) && !ask_before(config, fd, addr, len, &place))
		return -1;
	if (sks_place_bind(config, fd, addr, len, &place) < 0) {
		err = errno == EACCES ? open_denied(config, fd, addr, len) : -errno;
		if (err)
			return sks_fail(err);
		errno = saved;
	}
	sks_dgram_forget(fd); /* an earlier one's entry */
	if (sks_choose(config, addr, len, &choice))
		return serve_bound(config, fd, &choice);
	sks_remember(fd, NULL);
	return 0;
}

/*
 * The kernel refuses a TCP socket in a socket map before listen(2) has succeeded, so it is offered
 * after. Strict asks first, when there is nothing to undo yet.
 */
static int listen_chosen(const struct sks_config *config, int fd, int backlog,
			 const struct sks_choice *choice)
{
	bool listened = config->strict && sks_fd_option(fd, SO_ACCEPTCONN) == 1;
	int saved = errno, err;
	int64_t deadline = 0;

	if (config->strict) {
		err = sks_offer(config, SKS_OP_CHECK, fd, 0, &deadline);
		if (err)
			return sks_fail(err);
	}
	if (sks_real_listen(fd, backlog) < 0)
		return -1;
	if (sks_is_wanted(choice, SKS_TCP)) {
		err = sks_offer(config, SKS_OP_REGISTER, fd, 0, &deadline);
		if (err != SKS_NOT_MEANT)
			sks_claim(choice, SKS_TCP);
		if (err < 0 && config->strict) {
			/* A socket that listened before may be another process's, too. */
			if (!listened)
				(void)sks_raw(SYS_shutdown, fd, SHUT_RD);
			return sks_fail(err);
		}
	}
	errno = saved;
	return 0;
}

/*
 * It is bound to a port that nobody asked for, so it serves at the one that was, or not at all: as
 * without us, where the other instance has that one.
 */
static int listen_moved(const struct sks_config *config, int fd, int backlog,
			struct sks_moved *moved)
{
	const struct sks_choice choice = { .port = (uint16_t)moved->ports };
	bool listened = sks_fd_option(fd, SO_ACCEPTCONN) == 1;
	int saved = errno, err;
	int64_t deadline = 0;

	if (sks_real_listen(fd, backlog) < 0)
		return -1;
	sks_moved_follow(moved, fd);
	if (moved->settled) {
		err = sks_offer(config, SKS_OP_REGISTER, fd, choice.port, &deadline);
		if (err < 0 && config->strict)
			return sks_fail(err);
	} else {
		if (sks_offer_moved(config, fd, choice.port)) {
			if (!listened)
				(void)sks_raw(SYS_shutdown, fd, SHUT_RD);
			return sks_fail(-EADDRINUSE);
		}
		moved->settled = true;
		sks_claim(&choice, SKS_TCP);
	}
	errno = saved;
	return 0;
}

/*
 * No clause means this listener, but what an instance with "*" opens itself is not for its "*": the
 * helper looks again. Only where the first listener was claimed, which a sandboxed child is not.
 */
static void mention(const struct sks_config *config, int fd)
{
	int64_t deadline = 0;

	if (config->wide & SKS_TCP && sks_claimed_here())
		(void)sks_offer(config, SKS_OP_REGISTER, fd, 0, &deadline);
}

SKS_EXPORT int listen(int fd, int backlog)
{
	const struct sks_config *config = sks_config_get();
	struct sks_moved *moved;
	struct sks_choice choice;

	if (!config)
		return sks_real_listen(fd, backlog);
	moved = sks_moved_any() && !sks_is_passed_over(fd) ? sks_moved_find(fd) : NULL;
	if (moved)
		return listen_moved(config, fd, backlog, moved);
	if (sks_recall(config, fd, &choice) && sks_is_wanted(&choice, SKS_TCP))
		return listen_chosen(config, fd, backlog, &choice);
	if (sks_real_listen(fd, backlog) < 0)
		return -1;
	mention(config, fd);
	return 0;
}

/* A moved socket's name has the port that the server asked for. */
SKS_EXPORT int getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	const size_t before = offsetof(struct sockaddr_in, sin_port);
	const struct sks_moved *moved = sks_moved_any() ? sks_moved_find(fd) : NULL;
	in_port_t port = moved ? htons((uint16_t)moved->ports) : 0;
	socklen_t room;

	if (!port || !sks_fd_may_read(fd, len, sizeof(*len)))
		return sks_real_getsockname(fd, addr, len);
	room = *len;
	if (sks_real_getsockname(fd, addr, len) < 0)
		return -1;
	/* The kernel has cut the name off where the room ends. */
	if (room > before)
		memcpy((char *)addr + before, &port,
		       room - before < sizeof(port) ? room - before : sizeof(port));
	return 0;
}

/* Shutting a listener down would shut it for the other instance that shares it, too. */
static bool is_shared(int fd)
{
	const struct sks_config *config = sks_config_get();

	return config && config->label[0] && sks_is_remembered(fd) &&
	       sks_fd_option(fd, SO_ACCEPTCONN) == 1 && sks_offer_is_shared(config, fd);
}

SKS_EXPORT int shutdown(int fd, int how)
{
	if (sks_memory && (how == SHUT_RD || how == SHUT_RDWR) && is_shared(fd))
		return 0;
	return sks_real_shutdown(fd, how);
}
