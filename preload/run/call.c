/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the frame in which a bind(2) or listen(2) of the command is answered (see call.h). */
#include "call.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../../common/cleanup.h"
#include "../../common/raw.h"
#include "../fd.h"
#include "answer.h"
#include "handle.h"
#include "yama.h"

#define REST_US (60ll * 1000 * 1000) /* as preload/offer.c */

static void say_not_permitted(struct sks_text *text)
{
	int scope = sks_yama_scope();

	sks_text_str(text, ": not permitted");
	if (!scope)
		return;
	sks_text_str(text, " (kernel.yama.ptrace_scope is ");
	sks_text_int(text, scope);
	sks_text_str(text, ")");
}

static void say_unreachable(const struct sks_handle *handle, const char *what, int err)
{
	const struct sks_config *config = handle->config;
	struct sks_line line;

	sks_line_start(&line);
	sks_text_str(&line.text, "cannot ");
	sks_text_str(&line.text, what);
	sks_text_str(&line.text, " process ");
	sks_text_int(&line.text, handle->call->who->pid);
	switch (err) {
	case -EPERM:
		say_not_permitted(&line.text);
		break;
	case -EXDEV:
		sks_text_str(&line.text, ", which is in another user namespace");
		break;
	default:
		sks_text_str(&line.text, ": errno ");
		sks_text_int(&line.text, -err);
	}
	sks_text_str(&line.text, ": nothing is steered to it");
	sks_line_write(&line, &config->log, config->strict ? SKS_ERROR : SKS_WARN);
}

bool sks_handle_enter(struct sks_handle *handle, bool meant)
{
	const struct sks_call *call = handle->call;
	int err;

	if (!call->self)
		return true;
	handle->fd = sks_caller_fd(call->who, call->fd);
	sks_handle_speak(handle);
	if (handle->config->mode == SKS_MODE_SHARE)
		handle->close_on_exec = sks_caller_closes_on_exec(call->who, call->fd);
	err = sks_caller_become(call->who, call->self);
	if (err && meant)
		say_unreachable(handle, "act for", err);
	return !err;
}

void sks_handle_blind(struct sks_handle *handle)
{
	sks_handle_speak(handle);
	say_unreachable(handle, "look into", -EPERM);
}

bool sks_handle_open(struct sks_handle *handle, bool meant)
{
	if (!handle->call->self)
		handle->fd = sks_caller_fd(handle->call->who, handle->call->fd);
	if (handle->fd < 0) {
		if (meant && handle->fd != -EBADF) { /* else the kernel says so */
			sks_handle_speak(handle);
			say_unreachable(handle, "take a socket from", handle->fd);
		}
		return false;
	}
	handle->proto = sks_fd_protocol(handle->fd);
	handle->cookie = sks_fd_cookie(handle->fd);
	return handle->proto && handle->cookie;
}

/* It may have closed its stderr, or opened another file there: the library's log looks at that. */
void sks_handle_speak(struct sks_handle *handle)
{
	CLEANUP_FD int fd = -1;

	if (handle->speaks)
		return;
	handle->speaks = true;
	(void)prctl(PR_SET_NAME, handle->call->who->comm, 0, 0, 0);
	fd = sks_caller_fd(handle->call->who, STDERR_FILENO);
	if (fd == -EPERM && !handle->call->self)
		fd = sks_caller_reopen(handle->call->who, STDERR_FILENO);
	if (fd >= 0)
		(void)dup2(fd, STDERR_FILENO);
}

static void fall_silent(const struct sks_handle *handle)
{
	if (!handle->speaks)
		return;
	(void)dup2(STDIN_FILENO, STDERR_FILENO); /* which is /dev/null */
	(void)prctl(PR_SET_NAME, SKS_NAME_ACTIVE, 0, 0, 0);
}

struct sks_bound *sks_handle_bound(const struct sks_handle *handle)
{
	struct sks_bound *bound = &handle->calls->bounds[handle->cookie % SKS_BOUNDS];

	return bound->cookie == handle->cookie ? bound : NULL;
}

/* Cookies are given out in turn, so that an entry is overwritten when it is old. */
void sks_handle_remember(const struct sks_handle *handle, const struct sks_choice *choice)
{
	struct sks_bound *bound = &handle->calls->bounds[handle->cookie % SKS_BOUNDS];

	bound->chosen = choice != NULL;
	if (choice)
		bound->choice = *choice;
	bound->cookie = handle->cookie;
}

void sks_handle_claim(const struct sks_handle *handle, const struct sks_choice *choice,
		      uint8_t proto)
{
	handle->calls->claim = *choice;
	handle->calls->claims = proto;
}

int sks_handle_may_ask(const struct sks_handle *handle)
{
	return sks_now_us() < handle->calls->resting_until ? -ETIMEDOUT : 0;
}

int sks_handle_asked(const struct sks_handle *handle, int err)
{
	if (err == -ETIMEDOUT)
		handle->calls->resting_until = sks_now_us() + REST_US;
	return err;
}

int sks_handle_offer(struct sks_handle *handle, enum sks_op op, uint16_t wanted)
{
	int err = sks_handle_may_ask(handle);

	if (err)
		return err;
	return sks_handle_asked(handle, sks_offer(handle->config, op, handle->fd, wanted,
						  &handle->deadline));
}

void sks_call_handle(const struct sks_call *call)
{
	struct sks_handle handle = {
		.call = call,
		.config = call->config,
		.calls = call->calls,
		.fd = -1,
	};

	call->calls->claims = 0;
	call->calls->bound = 0;
	call->calls->answer = call->listens ? sks_handle_listen(&handle) : sks_handle_bind(&handle);
	fall_silent(&handle);
	if (handle.fd >= 0)
		(void)close(handle.fd);
}
