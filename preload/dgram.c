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
#include "report.h"

struct sks_udp *sks_udp;
_Atomic bool sks_sandboxed;

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
	dgram.pid = (int32_t)sks_raw(SYS_getpid);
	*ret_dgram = dgram;
	*ret_flags = flags;
	return true;
}

static void include(int fd)
{
	uint32_t end = sks_udp->end;

	while (end <= (uint32_t)fd &&
	       !atomic_compare_exchange_weak(&sks_udp->end, &end, (uint32_t)fd + 1))
		;
}

static void set(int fd, const struct sks_dgram *dgram, uint32_t flags)
{
	struct sks_dgram *entry = &sks_udp->fds[fd];

	include(fd);
	atomic_store(&entry->flags, 0);
	entry->port = dgram->port;
	entry->cookie = dgram->cookie;
	entry->token = dgram->token;
	entry->bound = dgram->bound;
	entry->pid = dgram->pid;
	entry->original = dgram->original;
	entry->original_cookie = dgram->original_cookie;
	entry->epoll = dgram->epoll;
	entry->epoll_events = dgram->epoll_events;
	entry->epoll_data = dgram->epoll_data;
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

void sks_dgram_adopt(int fd, uint64_t token)
{
	struct sks_dgram dgram, *known;
	uint32_t flags;

	if (fd < 0 || fd >= SKS_FDS || sks_sandboxed || !sks_udp_begin() || !has_memory() ||
	    !read_socket(fd, &dgram, &flags))
		return;
	known = &sks_udp->fds[fd];
	dgram.token = token;
	if (known->flags & SKS_DGRAM_STEERED && known->cookie == dgram.cookie) {
		known->token = token;
		return; /* told already, and what the server has asked for since is known */
	}
	if (option(fd, IPPROTO_IP, SKS_ORIGDST4) == 1)
		flags |= SKS_DGRAM_ASKED4;
	if (flags & SKS_DGRAM_V6 && option(fd, IPPROTO_IPV6, SKS_ORIGDST6) == 1)
		flags |= SKS_DGRAM_ASKED6;
	if (flags & SKS_DGRAM_V6 && !enable(fd, IPPROTO_IPV6, SKS_ORIGDST6))
		return;
	/* Of an IPv6 socket, for what comes by IPv4. */
	if (!enable(fd, IPPROTO_IP, SKS_ORIGDST4) && !(flags & SKS_DGRAM_V6))
		return;
	set(fd, &dgram, flags | SKS_DGRAM_STEERED);
}

/*
 * Inherited through exec(2): the program that was there before has registered it. That the socket
 * tells where datagrams were sent to is our doing, or its server's, which then gets to see it less.
 */
static bool is_inherited(int fd, struct sks_dgram *ret_dgram, uint32_t *ret_flags)
{
	if (sks_fd_protocol(fd) != SKS_UDP || !read_socket(fd, ret_dgram, ret_flags))
		return false;
	for (int i = 0; i < SKS_PASSED; i++) {
		if (sks_udp->passed[i] == ret_dgram->cookie)
			return false;
	}
	return *ret_flags & SKS_DGRAM_V6 ? option(fd, IPPROTO_IPV6, SKS_ORIGDST6) == 1
					 : option(fd, IPPROTO_IP, SKS_ORIGDST4) == 1;
}

/* Whoever names no UDP listener has none to inherit. */
static bool may_inherit(void)
{
	const struct sks_config *config = sks_config_get();

	return config && config->spec_len && (config->named | config->unnamed) & SKS_UDP;
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
	if (known->flags || !may_inherit())
		return NULL;
	if (is_inherited(fd, &dgram, &flags) && has_memory()) {
		set(fd, &dgram, flags | SKS_DGRAM_STEERED);
		return known;
	}
	include(fd);
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
	const struct sks_dgram *dgram = sks_dgram_peek(fd, SKS_DGRAM_STEERED | SKS_DGRAM_CONNECTED);
	struct sks_dgram copy;

	if (!dgram || fd == other || other < 0 || other >= SKS_FDS)
		return;
	copy = *dgram;
	copy.original = 0;
	copy.epoll = 0;
	set(other, &copy, dgram->flags);
}

static void drop_original(struct sks_dgram *dgram)
{
	if (sks_fd_cookie(dgram->original) == dgram->original_cookie)
		(void)sks_raw(SYS_close, dgram->original);
	dgram->original = 0;
}

/*
 * pthread_atfork(3), of glibc alone: musl's name is another one, and a library that asks for a name
 * which is not there is not loaded. Never undone, so the library stays when it is unloaded (-z
 * nodelete).
 */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
			     void *dso)
	__attribute__((weak)); // NOLINT(bugprone-reserved-identifier)

/* A child that fork(2) made (ncat's) has to do with that client only; see keep() in connect.c. */
static void drop_originals(void)
{
	for (uint32_t fd = 0; !sks_sandboxed && fd < sks_udp->end; fd++) {
		if (sks_udp->fds[fd].original)
			drop_original(&sks_udp->fds[fd]);
	}
}

void sks_dgram_connected(int fd, int original)
{
	static atomic_bool is_handled;
	struct sks_dgram dgram = sks_udp->fds[fd];

	if (original && __register_atfork && !atomic_exchange(&is_handled, true))
		(void)__register_atfork(NULL, NULL, drop_originals, NULL);
	dgram.original = original;
	dgram.original_cookie = original ? dgram.cookie : 0;
	dgram.cookie = sks_fd_cookie(fd);
	sks_udp->pid = (int32_t)sks_raw(SYS_getpid);
	set(fd, &dgram, SKS_DGRAM_CONNECTED | (dgram.flags & ~SKS_DGRAM_STEERED));
}

void sks_dgram_restored(int fd)
{
	struct sks_dgram dgram = sks_udp->fds[fd];

	dgram.cookie = dgram.original_cookie;
	dgram.original = 0;
	dgram.original_cookie = 0;
	set(fd, &dgram, SKS_DGRAM_STEERED | (dgram.flags & ~SKS_DGRAM_CONNECTED));
}

void sks_dgram_closing(unsigned int first, unsigned int last)
{
	sks_reply_sockets_doubt(&sks_udp->replies, first, last);
}

/* What was kept for a socket that is gone goes, too. */
static void close_original(struct sks_dgram *dgram, int fd)
{
	if (sks_dgram_holds(dgram, fd))
		return;
	drop_original(dgram);
	dgram->flags = 0;
}

/* A vfork(2)ed child has our memory, but closes its own descriptors. */
static bool is_us(void)
{
	return !sks_sandboxed && sks_raw(SYS_getpid) == sks_udp->pid;
}

/* What is at these numbers next has still to be looked at. Is any of them ours? */
static bool forget_looks(unsigned int first, unsigned int last)
{
	bool any = false;

	for (unsigned int fd = first; fd <= last && fd < sks_udp->end; fd++) {
		uint32_t flags = SKS_DGRAM_LOOKED;

		(void)atomic_compare_exchange_strong(&sks_udp->fds[fd].flags, &flags, 0);
		any |= (flags & (SKS_DGRAM_STEERED | SKS_DGRAM_CONNECTED)) != 0;
	}
	return any;
}

void sks_dgram_closed(unsigned int first, unsigned int last)
{
	bool any = forget_looks(first, last);

	sks_reply_sockets_doubt(&sks_udp->replies, first, last);
	if (!any || !is_us())
		return;
	for (unsigned int fd = first; fd <= last && fd < sks_udp->end; fd++) {
		if (sks_udp->fds[fd].original)
			close_original(&sks_udp->fds[fd], (int)fd);
	}
	sks_reply_sockets_look(&sks_udp->replies);
}

bool sks_dgram_holds(const struct sks_dgram *dgram, int fd)
{
	return sks_fd_cookie(fd) == dgram->cookie;
}

void sks_dgram_ask(const struct sks_dgram *dgram, uint32_t flag, bool wanted)
{
	uint64_t cookie = dgram->cookie;

	for (uint32_t i = 0; i < sks_udp->end; i++) {
		struct sks_dgram *entry = &sks_udp->fds[i];

		if (!(entry->flags & SKS_DGRAM_STEERED) || entry->cookie != cookie)
			continue;
		if (wanted)
			entry->flags |= flag;
		else
			entry->flags &= ~flag;
	}
}

void sks_dgram_pass_over(int fd)
{
	uint64_t cookie = sks_fd_cookie(fd);

	if (cookie)
		sks_udp->passed[sks_udp->n_passed++ % SKS_PASSED] = cookie;
}

/* What we do from here on is nothing that a filter of system calls could mind. */
void sks_udp_sandbox(void)
{
	const struct sks_config *config = sks_config_get();
	bool any = false;

	if (sks_sandboxed)
		return;
	for (uint32_t i = 0; sks_udp && !any && i < sks_udp->end; i++)
		any = sks_udp->fds[i].flags & SKS_DGRAM_STEERED;
	if (any && config)
		sks_report_sandbox(config);
	sks_sandboxed = true;
}
