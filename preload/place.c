/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns where bind(2) puts a socket whose port another instance of its label may have: there as ever,
 * at the same address but another port, or nowhere, since it becomes that instance's own socket.
 */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>

#include "../common/prefix.h"
#include "../common/raw.h"
#include "fd.h"
#include "moved.h"
#include "real.h"
#include "report.h"

bool sks_place_depends(const struct sks_config *config, uint8_t proto)
{
	if (config->mode == SKS_MODE_SHARE)
		return proto != 0;
	return config->mode != SKS_MODE_REFUSE && proto == SKS_TCP;
}

static uint16_t port_of(const struct sockaddr *addr, socklen_t len)
{
	struct sks_prefix place;
	uint16_t port;

	return sks_prefix_from_sockaddr(addr, len, &place, &port) ? 0 : port;
}

static uint16_t bound_port(int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	if (sks_raw(SYS_getsockname, fd, &addr, &len))
		return 0;
	return port_of((struct sockaddr *)&addr, len);
}

static bool same_kind(int fd, int other)
{
	static const int options[] = { SO_DOMAIN, SO_TYPE, SO_PROTOCOL };

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		int value = sks_fd_option(other, options[i]);

		if (value < 0 || value != sks_fd_option(fd, options[i]))
			return false;
	}
	return true;
}

/* The one that came takes fd's place, whose options and epoll registrations are gone then. */
static int replace_by(int fd, int other)
{
	long flags = sks_raw(SYS_fcntl, fd, F_GETFD);

	if (flags < 0)
		return (int)flags;
	return (int)sks_raw(SYS_dup3, other, fd, flags & FD_CLOEXEC ? O_CLOEXEC : 0);
}

/*
 * Its instance may have been moved itself, and then what the server wants is not where it is bound.
 * Nobody is stranded if this is not registered: it serves either way.
 */
static int take_shared(int fd, int other, uint16_t wanted, uint8_t proto)
{
	uint16_t at = bound_port(other);
	struct sks_moved *moved = NULL;
	int err;

	if (!same_kind(fd, other) || !at || (at != wanted && proto != SKS_TCP))
		return -EPROTO;
	if (at != wanted) {
		moved = sks_moved_reserve(other, wanted);
		if (!moved)
			return -ENOSPC;
	}
	err = replace_by(fd, other);
	if (err < 0) {
		if (moved)
			sks_moved_release(moved);
		return err;
	}
	if (moved) {
		moved->fd = fd;
		moved->settled = true;
		sks_moved_set(moved, at, wanted);
	}
	return 0;
}

/* Only what the mode asked for is obeyed. */
static bool is_meant(const struct sks_config *config, const struct sks_placing *place)
{
	return (place->place == SKS_PLACE_SHARED) == (config->mode == SKS_MODE_SHARE);
}

int sks_place_find(const struct sks_config *config, int fd, const struct sockaddr *addr,
		   socklen_t len, uint8_t proto, struct sks_placing *ret_place)
{
	struct sks_placing place = { .fd = -1 };
	uint16_t wanted = port_of(addr, len);
	int err;

	err = sks_offer_bind(config, fd, addr, &place);
	if (err)
		return err;
	if (!sks_place_depends(config, proto) || !is_meant(config, &place) || place.port == wanted)
		place.place = SKS_PLACE_ASKED;
	if (place.place == SKS_PLACE_SHARED) {
		err = take_shared(fd, place.fd, wanted, proto);
		if (err)
			sks_report_unfit(config);
	}
	if (place.fd >= 0)
		(void)sks_raw(SYS_close, place.fd);
	place.fd = -1;
	if (!err)
		*ret_place = place;
	return err;
}

static int bind_to(int fd, const struct sockaddr *addr, socklen_t len, uint16_t port)
{
	struct sockaddr_storage there;

	memcpy(&there, addr, len);
	((struct sockaddr_in *)&there)->sin_port = htons(port); /* sin6_port lies there as well */
	return sks_real_bind(fd, (struct sockaddr *)&there, len);
}

/*
 * Sockets that want the same port go to the same one, as long as the first of them is not
 * registered: a SO_REUSEPORT group stays a group, and what would have been EADDRINUSE between them
 * still is. From then on the helper knows where that is, and says so while it is open. But a
 * stranger who has the same number at another address (these ports are anybody's) is not in the
 * way: then any other one does.
 */
static int bind_near(int fd, const struct sockaddr *addr, socklen_t len,
		     const struct sks_moved *moved, uint16_t said)
{
	uint16_t beside = sks_moved_beside(moved), at = beside ? beside : said;
	int saved = errno, ret = bind_to(fd, addr, len, at);

	if (ret < 0 && at && errno == EADDRINUSE && sks_moved_apart(fd, addr, len, at)) {
		errno = saved;
		ret = bind_to(fd, addr, len, 0);
	}
	return ret;
}

static int bind_elsewhere(const struct sks_config *config, int fd, const struct sockaddr *addr,
			  socklen_t len, uint16_t said)
{
	uint16_t wanted = port_of(addr, len), at;
	struct sks_moved *moved = sks_moved_reserve(fd, wanted);

	if (!moved)
		return sks_real_bind(fd, addr, len);
	if (bind_near(fd, addr, len, moved, said) < 0) {
		sks_moved_release(moved);
		return -1;
	}
	at = bound_port(fd);
	if (!at) { /* IP_BIND_ADDRESS_NO_PORT: it would get one nobody knows */
		sks_moved_release(moved);
		errno = EADDRINUSE;
		return -1;
	}
	sks_moved_set(moved, at, wanted);
	sks_report_moved(config, wanted, at);
	return 0;
}

int sks_place_bind(const struct sks_config *config, int fd, const struct sockaddr *addr,
		   socklen_t len, const struct sks_placing *place)
{
	switch (place->place) {
	case SKS_PLACE_ELSEWHERE:
		return bind_elsewhere(config, fd, addr, len, place->port);
	case SKS_PLACE_SHARED:
		return 0;
	default:
		return sks_real_bind(fd, addr, len);
	}
}
