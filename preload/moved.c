/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the memory of sockets that are bound to another port than the one they asked for. */
#include "moved.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>

#include "../common/prefix.h"
#include "../common/raw.h"
#include "fd.h"

#define BINDING_MS 50 /* longer than bind(2) takes */

static struct sks_moved *entry_at(uint32_t i)
{
	return &sks_memory->moved[i];
}

static uint16_t at_of(const struct sks_moved *moved)
{
	return (uint16_t)(moved->ports >> 16);
}

/* By the descriptor that bind(2) was called with: most servers keep it. */
static bool is_open(const struct sks_moved *moved)
{
	uint64_t cookie = moved->cookie;

	return cookie && sks_fd_cookie(moved->fd) == cookie;
}

/* Taken from whom it was: a free place, or one whose socket seems to be closed. */
static bool take(struct sks_moved *moved, uint64_t from, uint64_t cookie, int fd, uint16_t wanted)
{
	if (!atomic_compare_exchange_strong(&moved->cookie, &from, cookie))
		return false;
	moved->ports = wanted;
	moved->settled = false;
	moved->fd = fd;
	return true;
}

static void include(uint32_t i)
{
	uint32_t end = sks_memory->moved_end;

	while (end <= i && !atomic_compare_exchange_weak(&sks_memory->moved_end, &end, i + 1))
		;
}

/* A place whose socket was closed is used again only when all are full: a duplicate may live on. */
struct sks_moved *sks_moved_reserve(int fd, uint16_t wanted)
{
	uint64_t cookie = sks_fd_cookie(fd);

	for (uint32_t i = 0; cookie && i < SKS_MOVED; i++)
		if (take(entry_at(i), 0, cookie, fd, wanted)) {
			include(i);
			return entry_at(i);
		}
	for (uint32_t i = 0; cookie && i < SKS_MOVED; i++) {
		uint64_t seen = entry_at(i)->cookie;

		if (!is_open(entry_at(i)) && take(entry_at(i), seen, cookie, fd, wanted))
			return entry_at(i);
	}
	return NULL;
}

void sks_moved_set(struct sks_moved *moved, uint16_t at, uint16_t wanted)
{
	moved->ports = (uint32_t)at << 16 | wanted;
}

void sks_moved_release(struct sks_moved *moved)
{
	moved->ports = 0;
	moved->cookie = 0;
}

/*
 * The port is only what is cheap to compare: connections and other protocols' sockets have it too.
 */
static struct sks_moved *find(int fd, uint16_t at)
{
	uint32_t end = sks_memory->moved_end;
	uint64_t cookie = 0;

	for (uint32_t i = 0; at && i < end; i++) {
		if (at_of(entry_at(i)) != at)
			continue;
		if (!cookie)
			cookie = sks_fd_cookie(fd);
		if (cookie && entry_at(i)->cookie == cookie)
			return entry_at(i);
	}
	return NULL;
}

static bool real_name(int fd, struct sockaddr_storage *ret_addr, socklen_t *ret_len)
{
	*ret_len = sizeof(*ret_addr);
	return !sks_raw(SYS_getsockname, fd, ret_addr, ret_len);
}

static bool real_place(int fd, struct sks_prefix *ret_place, uint16_t *ret_port)
{
	struct sockaddr_storage addr;
	socklen_t len;

	return real_name(fd, &addr, &len) &&
	       !sks_prefix_from_sockaddr((struct sockaddr *)&addr, len, ret_place, ret_port);
}

struct sks_moved *sks_moved_find(int fd)
{
	struct sks_prefix place;
	uint16_t at;

	return real_place(fd, &place, &at) ? find(fd, at) : NULL;
}

void sks_moved_follow(struct sks_moved *moved, int fd)
{
	struct sks_prefix place;
	uint16_t at;

	if (real_place(fd, &place, &at))
		sks_moved_set(moved, at, (uint16_t)moved->ports);
}

bool sks_moved_name(int fd, struct sockaddr_storage *ret_addr, socklen_t *ret_len)
{
	const struct sks_moved *moved;
	uint16_t wanted;

	if (!real_name(fd, ret_addr, ret_len))
		return false;
	moved = sks_moved_any() ? sks_moved_find(fd) : NULL;
	wanted = moved ? (uint16_t)moved->ports : 0;
	if (wanted) /* sin6_port lies there as well */
		((struct sockaddr_in *)ret_addr)->sin_port = htons(wanted);
	return true;
}

/* Its port, once it has one. Not for ever: it may be this very thread's, which a signal stopped. */
static uint16_t await_port(const struct sks_moved *moved, uint16_t wanted)
{
	for (int left = BINDING_MS; left > 0; left--) {
		if (at_of(moved) || (uint16_t)moved->ports != wanted)
			break;
		sks_pause_us(1000);
	}
	return (uint16_t)moved->ports == wanted ? at_of(moved) : 0;
}

uint16_t sks_moved_beside(const struct sks_moved *reserved)
{
	uint16_t wanted = (uint16_t)reserved->ports, at;
	uint32_t end = sks_memory->moved_end;

	for (uint32_t i = 0; i < end; i++) {
		const struct sks_moved *moved = entry_at(i);

		if (moved == reserved || (uint16_t)moved->ports != wanted || moved->settled ||
		    !is_open(moved))
			continue;
		/* Of two that meet here the later one waits. */
		at = moved < reserved ? await_port(moved, wanted) : at_of(moved);
		if (at)
			return at;
	}
	return 0;
}

static bool is_v6only(int fd)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return !sks_raw(SYS_getsockopt, fd, IPPROTO_IPV6, IPV6_V6ONLY, &value, &len) && value;
}

/* Would the two share an address, so that they may not have the same port? */
static bool overlap(int fd, const struct sks_prefix *a, int other, const struct sks_prefix *b)
{
	if (a->family == b->family)
		return !a->len || !b->len || sks_prefix_equal(a, b);
	return a->family == AF_INET6 ? !a->len && !is_v6only(fd) : !b->len && !is_v6only(other);
}

bool sks_moved_apart(int fd, const struct sockaddr *addr, socklen_t len, uint16_t at)
{
	uint32_t end = sks_memory->moved_end;
	struct sks_prefix wanted, place;
	bool found = false;
	uint16_t port;

	if (sks_prefix_from_sockaddr(addr, len, &wanted, &port))
		return false;
	for (uint32_t i = 0; i < end; i++) {
		const struct sks_moved *moved = entry_at(i);

		if (at_of(moved) != at || !is_open(moved) || !real_place(moved->fd, &place, &port))
			continue;
		if (overlap(fd, &wanted, moved->fd, &place))
			return false;
		found = true;
	}
	return found;
}
