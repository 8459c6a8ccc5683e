/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the answer to bind(2). The kernel makes the call itself wherever it can: then nothing that
 * the caller may or may not do (a sandbox of its own, a security module) is any different. We make
 * it, with the caller's rights, where something has to happen before it returns: a UDP socket is
 * registered, a label's other instance has the port, or the port is one that has to be granted.
 */
#undef _GNU_SOURCE /* with it glibc declares the address of bind() as a union */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "../../common/cleanup.h"
#include "../place.h"
#include "handle.h"

struct address {
	struct sockaddr_storage storage;
	socklen_t len;
	struct sks_prefix place;
	uint16_t port;
};

static const struct sockaddr *sockaddr_of(const struct address *addr)
{
	return (const struct sockaddr *)&addr->storage;
}

/* -EINVAL: not an address of the Internet, or one that the kernel refuses as well. Or -errno. */
static int read_address(const struct sks_call *call, struct address *ret)
{
	int err;

	ret->len = (socklen_t)call->length;
	if (call->length < sizeof(struct sockaddr_in) || call->length > sizeof(ret->storage))
		return -EINVAL;
	err = sks_caller_peek(call->who, call->address, &ret->storage, ret->len);
	if (!err && sks_prefix_from_sockaddr(sockaddr_of(ret), ret->len, &ret->place, &ret->port))
		err = -EINVAL;
	return err;
}

/* Will the kernel deny the port for its number alone? */
static bool is_privileged(const struct sks_caller *who, uint16_t port)
{
	CLEANUP_FD int fd = -1;
	char text[16] = "";
	uint32_t start;

	if (!port || who->caps >> CAP_NET_BIND_SERVICE & 1)
		return false;
	fd = open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 ||
	    sks_uint_parse(text, strcspn(text, "\n"), UINT16_MAX + 1u, &start))
		return false;
	return port < start;
}

/* The call may be the second one of the same: ours was done, and its answer got lost. */
static int finish_bind(struct sks_handle *handle, const struct address *addr, int err)
{
	bool before = handle->call->again || handle->calls->unheard == handle->cookie;

	if (err == -EINVAL && before && sks_is_bound_to(handle->fd, addr->port))
		err = 0;
	if (!err)
		handle->calls->bound = handle->cookie;
	return err;
}

static int64_t bind_placed(struct sks_handle *handle, const struct address *addr,
			   const struct sks_placing *place)
{
	int err = 0;

	if (sks_place_bind(handle->config, handle->fd, sockaddr_of(addr), addr->len, place))
		err = -errno;
	return finish_bind(handle, addr, err);
}

/* Our copy is the shared socket by now: the caller's descriptor becomes that as well. */
static int64_t hand_over(struct sks_handle *handle)
{
	const struct sks_call *call = handle->call;
	bool close_on_exec = call->self ? handle->close_on_exec
					: sks_caller_closes_on_exec(call->who, call->fd);
	struct seccomp_notif_addfd add = {
		.id = call->id,
		.flags = SECCOMP_ADDFD_FLAG_SETFD,
		.srcfd = (uint32_t)handle->fd,
		.newfd = (uint32_t)call->fd,
		.newfd_flags = close_on_exec ? O_CLOEXEC : 0,
	};

	return ioctl(call->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0 ? -errno : 0;
}

/* As in preload/hooks.c: what the helper tried and met, else EACCES. */
static int64_t open_denied(struct sks_handle *handle, const struct address *addr)
{
	struct sockaddr_in6 whole = { 0 };
	int err = sks_handle_may_ask(handle);

	memcpy(&whole, &addr->storage, addr->len < sizeof(whole) ? addr->len : sizeof(whole));
	if (!err)
		err = sks_handle_asked(handle, sks_offer_open(handle->config, handle->fd,
							      (struct sockaddr *)&whole));
	switch (err) {
	case -EINVAL:
		err = handle->config->error[0] ? -EACCES : err;
		break;
	case -EADDRINUSE:
	case -EADDRNOTAVAIL:
	case -ENODEV:
	case 0:
		break;
	default:
		err = sks_is_bound_to(handle->fd, addr->port) ? 0 : -EACCES;
	}
	return finish_bind(handle, addr, err);
}

/* 0: the helper's word on where it goes, or that it would be steered; -errno: it is not to be. */
static int ask_before(struct sks_handle *handle, const struct address *addr,
		      struct sks_placing *place)
{
	const struct sks_config *config = handle->config;
	bool depends = config->mode != SKS_MODE_REFUSE && !config->error[0] &&
		       sks_place_depends(config, handle->proto);
	int err;

	if (!config->strict && !depends)
		return 0;
	err = sks_handle_may_ask(handle);
	if (!err)
		err = sks_handle_asked(handle, sks_place_find(config, handle->fd, sockaddr_of(addr),
							      addr->len, handle->proto, place));
	return config->strict ? err : 0;
}

/* The kernel takes a UDP socket into a socket map as soon as it is bound. */
static int64_t serve_bound(struct sks_handle *handle, const struct sks_choice *choice)
{
	int err = sks_handle_offer(handle, SKS_OP_REGISTER, 0);

	if (err != SKS_NOT_MEANT)
		sks_handle_claim(handle, choice, SKS_UDP);
	return err < 0 && handle->config->strict ? err : 0;
}

static int64_t bind_here(struct sks_handle *handle, const struct address *addr,
			 const struct sks_placing *place)
{
	int64_t answer = bind_placed(handle, addr, place);

	return answer == -EACCES ? open_denied(handle, addr) : answer;
}

/* Chosen by a clause, or denied for its port's number. */
static int64_t bind_noted(struct sks_handle *handle, const struct address *addr,
			  const struct sks_choice *choice, bool denied)
{
	struct sks_placing place = { .place = SKS_PLACE_ASKED };
	bool wanted = choice && sks_is_wanted(choice, handle->proto);
	bool serves = wanted && handle->proto == SKS_UDP;
	int64_t answer = 0;

	if (wanted)
		answer = ask_before(handle, addr, &place);
	if (answer)
		return answer;
	if (place.place == SKS_PLACE_SHARED)
		answer = hand_over(handle);
	else if (denied || serves || place.place != SKS_PLACE_ASKED)
		answer = bind_here(handle, addr, &place);
	else
		return SKS_CALL_CONTINUE;
	return !answer && serves ? serve_bound(handle, choice) : answer;
}

/* We can't act for the caller: strictness wants steering or nothing. */
static int64_t give_up(const struct sks_handle *handle, const struct sks_choice *choice)
{
	bool closed = handle->fd == -EBADF; /* the kernel says so */

	return choice && handle->config->strict && !closed ? -EPERM : SKS_CALL_CONTINUE;
}

int64_t sks_handle_bind(struct sks_handle *handle)
{
	const struct sks_choice *choice = NULL;
	struct sks_choice found;
	struct address addr;
	bool denied;
	int err = read_address(handle->call, &addr);

	/* Of a TCP socket listen(2) says so. */
	if (err == -EPERM && (handle->config->named | handle->config->unnamed) & SKS_UDP)
		sks_handle_blind(handle);
	if (err)
		return SKS_CALL_CONTINUE;
	if (sks_choose(handle->config, sockaddr_of(&addr), addr.len, &found))
		choice = &found;
	if (!sks_handle_enter(handle, choice))
		return give_up(handle, choice);
	denied = is_privileged(handle->call->who, addr.port);
	if (!choice && !denied && addr.port)
		return SKS_CALL_CONTINUE;
	if (choice || denied)
		sks_handle_speak(handle);
	if (!sks_handle_open(handle, choice))
		return handle->fd < 0 ? give_up(handle, choice) : SKS_CALL_CONTINUE;
	sks_handle_remember(handle, handle->proto == SKS_TCP ? choice : NULL);
	return choice || denied ? bind_noted(handle, &addr, choice, denied) : SKS_CALL_CONTINUE;
}
