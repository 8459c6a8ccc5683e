/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns which descriptors are UDP sockets that the helper steers to (see dgram.h). */
#include "dgram.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "../common/raw.h"
#include "control.h"
#include "fd.h"

struct sks_udp *sks_udp;

bool sks_udp_begin(void)
{
	struct sks_udp *udp = sks_udp, *none = NULL;

	if (udp)
		return true;
	udp = sks_memory_map(sizeof(*udp), MAP_PRIVATE);
	if (!udp)
		return false;
	/* Two threads may come at once; what the later one mapped goes. */
	if (!atomic_compare_exchange_strong((_Atomic(struct sks_udp *) *)&sks_udp, &none, udp))
		(void)sks_raw(SYS_munmap, udp, sizeof(*udp));
	return true;
}

static int option(int fd, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return sks_raw(SYS_getsockopt, fd, level, name, &value, &len) ? -1 : value;
}

static bool enable(int fd, int level, int name)
{
	int one = 1;

	return !sks_raw(SYS_setsockopt, fd, level, name, &one, sizeof(one));
}

/* What getsockname(2) and the socket's options say of it. False: it is none that we know. */
static bool read_socket(int fd, struct sks_dgram *ret_dgram, uint32_t *ret_flags)
{
	struct sks_dgram dgram = { .cookie = sks_fd_cookie(fd) };
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	static const uint8_t none[16];
	uint32_t flags;

	if (!dgram.cookie || sks_raw(SYS_getsockname, fd, &addr, &len) ||
	    !sks_endpoint_from(&dgram.bound, &addr, len))
		return false;
	flags = addr.ss_family == AF_INET6 ? SKS_DGRAM_V6 : 0;
	if (!memcmp(dgram.bound.addr + 12, none, 4) &&
	    (sks_endpoint_is_v4(&dgram.bound) || !memcmp(dgram.bound.addr, none, 12)))
		flags |= SKS_DGRAM_WILDCARD;
	dgram.port = dgram.bound.port;
	*ret_dgram = dgram;
	*ret_flags = flags;
	return true;
}

static void set(int fd, const struct sks_dgram *dgram, uint32_t flags)
{
	struct sks_dgram *entry = &sks_udp->fds[fd];
	uint32_t end = sks_udp->end;

	while (end <= (uint32_t)fd &&
	       !atomic_compare_exchange_weak(&sks_udp->end, &end, (uint32_t)fd + 1))
		;
	atomic_store(&entry->flags, 0);
	entry->port = dgram->port;
	entry->cookie = dgram->cookie;
	entry->bound = dgram->bound;
	atomic_store(&entry->flags, flags);
}

/* Before the memory is there, nobody may note anything. */
static bool has_memory(void)
{
	struct sks_asked *asked = sks_udp->asked;

	if (!asked)
		sks_udp->asked = asked = sks_asked_map();
	return asked;
}

void sks_dgram_adopt(int fd)
{
	struct sks_dgram dgram, *known;
	uint32_t flags;

	if (fd < 0 || fd >= SKS_FDS || !sks_udp_begin() || !has_memory() ||
	    !read_socket(fd, &dgram, &flags))
		return;
	known = &sks_udp->fds[fd];
	if (known->flags & SKS_DGRAM_STEERED && known->cookie == dgram.cookie)
		return; /* told already, and what the server has asked for since is known */
	if (option(fd, IPPROTO_IP, SKS_ORIGDST4) == 1)
		flags |= SKS_DGRAM_ASKED4;
	if (flags & SKS_DGRAM_V6 && option(fd, IPPROTO_IPV6, SKS_ORIGDST6) == 1)
		flags |= SKS_DGRAM_ASKED6;
	if (flags & SKS_DGRAM_V6 && !enable(fd, IPPROTO_IPV6, SKS_ORIGDST6))
		return;
	/* Of an IPv6 socket, for what comes by IPv4. */
	if (!enable(fd, IPPROTO_IP, SKS_ORIGDST4) && !(flags & SKS_DGRAM_V6))
		return;
	set(fd, &dgram, flags | SKS_DGRAM_STEERED | SKS_DGRAM_SURE);
}

/*
 * Inherited through exec(2): the program that was there before has registered it. That the socket
 * tells where datagrams were sent to is our doing, or its server's, which then gets to see it less.
 */
static bool is_inherited(int fd, struct sks_dgram *ret_dgram, uint32_t *ret_flags)
{
	if (sks_fd_protocol(fd) != SKS_UDP || !read_socket(fd, ret_dgram, ret_flags))
		return false;
	return *ret_flags & SKS_DGRAM_V6 ? option(fd, IPPROTO_IPV6, SKS_ORIGDST6) == 1
					 : option(fd, IPPROTO_IP, SKS_ORIGDST4) == 1;
}

struct sks_dgram *sks_dgram_look(int fd)
{
	struct sks_dgram dgram, *known;
	uint32_t flags;

	if ((unsigned int)fd >= SKS_FDS)
		return NULL;
	known = &sks_udp->fds[fd];
	if (known->flags & (SKS_DGRAM_STEERED | SKS_DGRAM_CONNECTED))
		return known;
	if (known->flags || !sks_memory->config.spec_len ||
	    !((sks_memory->config.named | sks_memory->config.unnamed) & SKS_UDP))
		return NULL;
	if (is_inherited(fd, &dgram, &flags) && has_memory()) {
		set(fd, &dgram, flags | SKS_DGRAM_STEERED);
		return known;
	}
	known->flags = SKS_DGRAM_LOOKED;
	return NULL;
}

void sks_dgram_forget(int fd)
{
	if (sks_udp && fd >= 0 && fd < SKS_FDS)
		sks_udp->fds[fd].flags = 0;
}

/* Nothing is forgotten: a vfork(2)ed child, which dups before it execs, has its parent's memory. */
void sks_dgram_duplicate(int fd, int other)
{
	const struct sks_dgram *dgram = sks_dgram_find(fd, SKS_DGRAM_STEERED | SKS_DGRAM_CONNECTED);

	if (fd == other || other < 0)
		return;
	sks_dgram_doubt((unsigned int)other, (unsigned int)other);
	if (dgram && other < SKS_FDS)
		set(other, dgram, dgram->flags & ~SKS_DGRAM_SURE);
}

void sks_dgram_connected(int fd)
{
	struct sks_dgram dgram = sks_udp->fds[fd];

	dgram.cookie = sks_fd_cookie(fd);
	set(fd, &dgram, SKS_DGRAM_CONNECTED | (dgram.flags & SKS_DGRAM_V6));
}

void sks_dgram_doubt(unsigned int first, unsigned int last)
{
	sks_reply_sockets_doubt(&sks_udp->replies, first, last);
	for (; first <= last && first < sks_udp->end; first++) {
		if (sks_udp->fds[first].flags & SKS_DGRAM_SURE)
			sks_udp->fds[first].flags &= ~SKS_DGRAM_SURE;
	}
}

bool sks_dgram_holds(struct sks_dgram *dgram, int fd)
{
	if (dgram->flags & SKS_DGRAM_SURE)
		return true;
	/* First, so that a close(2) after the look is not overlooked. */
	dgram->flags |= SKS_DGRAM_SURE;
	if (sks_fd_cookie(fd) == dgram->cookie)
		return true;
	dgram->flags &= ~SKS_DGRAM_SURE;
	return false;
}
