/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns bind() and listen() as an unmodified server calls them: the real call, ours around it. */
#undef _GNU_SOURCE /* with it glibc declares the address of bind() as a union */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "../common/raw.h"
#include "config.h"
#include "offer.h"
#include "real.h"
#include "select.h"

#define SKS_EXPORT __attribute__((visibility("default")))

static int get_option(int fd, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return sks_raw(SYS_getsockopt, fd, SOL_SOCKET, option, &value, &len) ? -1 : value;
}

/* SKS_TCP, SKS_UDP, or 0: no clause means it. An MPTCP socket is TCP to whoever wrote the spec. */
static uint8_t protocol_of(int fd)
{
	int proto = get_option(fd, SO_PROTOCOL);

	if (proto == IPPROTO_UDP)
		return get_option(fd, SO_TYPE) == SOCK_DGRAM ? SKS_UDP : 0;
	if (proto == IPPROTO_TCP || proto == IPPROTO_MPTCP)
		return get_option(fd, SO_TYPE) == SOCK_STREAM ? SKS_TCP : 0;
	return 0;
}

static int fail(int err)
{
	errno = -err;
	return -1;
}

/* May the address be read, whatever the server passed? A null "how" changes no signal mask. */
static bool is_readable(const struct sockaddr *addr, socklen_t len)
{
	const char *bytes = (const char *)addr;

	/* Longer ones the kernel refuses unread. */
	return addr && len >= sizeof(struct sockaddr_in) &&
	       len <= sizeof(struct sockaddr_storage) &&
	       sks_raw(SYS_rt_sigprocmask, ~0, bytes, NULL, 8) != -EFAULT &&
	       sks_raw(SYS_rt_sigprocmask, ~0, bytes + len - 8, NULL, 8) != -EFAULT;
}

/* Strict: would it be steered? False with errno set: then bind(2) fails, and nothing was opened. */
static bool check_bind(const struct sks_config *config, int fd, const struct sockaddr *addr,
		       const struct sks_choice *choice)
{
	int64_t deadline = 0;
	int err = 0;

	if (sks_is_wanted(choice, protocol_of(fd)))
		err = sks_offer(config, SKS_OP_CHECK, fd, addr, &deadline);
	if (err < 0)
		(void)fail(err);
	return err >= 0;
}

/* After a bind that clauses may speak of. The kernel takes a UDP socket into a socket map now. */
static int serve_bound(const struct sks_config *config, int fd, const struct sks_choice *choice)
{
	/* Only a question that UDP or strictness asks is worth a system call here. */
	bool ask = config->strict || (choice->named | choice->unnamed) & SKS_UDP;
	uint8_t proto = ask ? protocol_of(fd) : SKS_TCP;
	int64_t deadline = 0;
	int err;

	sks_remember(fd, proto == SKS_TCP ? choice : NULL);
	if (proto != SKS_UDP || !sks_is_wanted(choice, SKS_UDP))
		return 0;
	err = sks_offer(config, SKS_OP_REGISTER, fd, NULL, &deadline);
	if (err != SKS_NOT_MEANT)
		sks_claim(choice, SKS_UDP);
	return err < 0 && config->strict ? fail(err) : 0;
}

SKS_EXPORT int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	const struct sks_config *config = sks_config_get();
	struct sks_choice choice;

	if (!config)
		return sks_real_bind(fd, addr, len);
	/* Only what the kernel could read as well is read here; strict has to ask before. */
	if (config->strict && is_readable(addr, len) && sks_choose(config, addr, len, &choice) &&
	    !check_bind(config, fd, addr, &choice))
		return -1;
	if (sks_real_bind(fd, addr, len) < 0)
		return -1;
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
	bool listened = config->strict && get_option(fd, SO_ACCEPTCONN) == 1;
	int saved = errno, err;
	int64_t deadline = 0;

	if (config->strict) {
		err = sks_offer(config, SKS_OP_CHECK, fd, NULL, &deadline);
		if (err)
			return fail(err);
	}
	if (sks_real_listen(fd, backlog) < 0)
		return -1;
	if (sks_is_wanted(choice, SKS_TCP)) {
		err = sks_offer(config, SKS_OP_REGISTER, fd, NULL, &deadline);
		if (err != SKS_NOT_MEANT)
			sks_claim(choice, SKS_TCP);
		if (err < 0 && config->strict) {
			/* A socket that listened before may be another process's, too. */
			if (!listened)
				(void)sks_raw(SYS_shutdown, fd, SHUT_RD);
			return fail(err);
		}
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
		(void)sks_offer(config, SKS_OP_REGISTER, fd, NULL, &deadline);
}

SKS_EXPORT int listen(int fd, int backlog)
{
	const struct sks_config *config = sks_config_get();
	struct sks_choice choice;

	if (!config)
		return sks_real_listen(fd, backlog);
	if (sks_recall(config, fd, &choice) && sks_is_wanted(&choice, SKS_TCP))
		return listen_chosen(config, fd, backlog, &choice);
	if (sks_real_listen(fd, backlog) < 0)
		return -1;
	mention(config, fd);
	return 0;
}
