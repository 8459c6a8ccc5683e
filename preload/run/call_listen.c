/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the answer to listen(2): we make the call for a listener that clauses speak of, since it has
 * to be registered after it listens and before the caller goes on.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "../fd.h"
#include "../memory.h"
#include "../moved.h"
#include "handle.h"

/* What bind(2) said of it; a socket whose bind(2) we have not seen is asked for its name. */
static bool recall(const struct sks_handle *handle, struct sks_choice *ret_choice)
{
	const struct sks_bound *bound = sks_handle_bound(handle);
	const struct sks_config *config = handle->config;
	struct sockaddr_storage addr;
	socklen_t len;

	if (!config->named && !config->unnamed && !config->error[0])
		return false;
	if (bound && !bound->chosen)
		return false;
	if (bound) {
		*ret_choice = bound->choice;
		return sks_is_bound_to(handle->fd, bound->choice.port);
	}
	return sks_moved_name(handle->fd, &addr, &len) &&
	       sks_choose(config, (struct sockaddr *)&addr, len, ret_choice);
}

static int64_t listen_now(const struct sks_handle *handle)
{
	return listen(handle->fd, (int)handle->call->length) ? -errno : 0;
}

static int64_t listen_chosen(struct sks_handle *handle, const struct sks_choice *choice)
{
	bool strict = handle->config->strict;
	bool listened = strict && sks_fd_option(handle->fd, SO_ACCEPTCONN) == 1;
	int64_t err = strict ? sks_handle_offer(handle, SKS_OP_CHECK, 0) : 0;

	err = err ? err : listen_now(handle);
	if (err)
		return err;
	err = sks_handle_offer(handle, SKS_OP_REGISTER, 0);
	if (err != SKS_NOT_MEANT)
		sks_handle_claim(handle, choice, SKS_TCP);
	if (err >= 0 || !strict)
		return 0;
	/* A socket that listened before may be another process's, too. */
	if (!listened)
		(void)shutdown(handle->fd, SHUT_RD);
	return err;
}

/* It is bound to a port that nobody asked for, so it serves at the one that was, or not at all. */
static int64_t listen_moved(struct sks_handle *handle, struct sks_moved *moved)
{
	const struct sks_choice choice = { .port = (uint16_t)moved->ports };
	bool listened = sks_fd_option(handle->fd, SO_ACCEPTCONN) == 1;
	int64_t err = listen_now(handle);

	if (err)
		return err;
	sks_moved_follow(moved, handle->fd);
	if (moved->settled) {
		err = sks_handle_offer(handle, SKS_OP_REGISTER, choice.port);
		return err < 0 && handle->config->strict ? err : 0;
	}
	err = sks_handle_may_ask(handle);
	if (!err)
		err = sks_handle_asked(handle,
				       sks_offer_moved(handle->config, handle->fd, choice.port));
	if (err) {
		if (!listened)
			(void)shutdown(handle->fd, SHUT_RD);
		return -EADDRINUSE;
	}
	moved->settled = true;
	sks_handle_claim(handle, &choice, SKS_TCP);
	return 0;
}

/* What an instance with "*" opens itself is not for its "*": the helper looks again. */
static bool is_mentioned(const struct sks_config *config)
{
	return config->wide & SKS_TCP && sks_claimed_here();
}

int64_t sks_handle_listen(struct sks_handle *handle)
{
	struct sks_choice choice;
	struct sks_moved *moved;
	int64_t answer;

	if (!sks_handle_enter(handle, false))
		return SKS_CALL_CONTINUE;
	if (!sks_handle_open(handle, true) && handle->fd == -EPERM && handle->config->strict)
		return -EPERM; /* it may be one that a clause speaks of */
	if (handle->proto != SKS_TCP)
		return SKS_CALL_CONTINUE;
	moved = sks_moved_any() ? sks_moved_find(handle->fd) : NULL;
	if (moved) {
		sks_handle_speak(handle);
		return listen_moved(handle, moved);
	}
	if (recall(handle, &choice) && sks_is_wanted(&choice, SKS_TCP)) {
		sks_handle_speak(handle);
		return listen_chosen(handle, &choice);
	}
	if (!is_mentioned(handle->config))
		return SKS_CALL_CONTINUE;
	sks_handle_speak(handle);
	answer = listen_now(handle);
	if (!answer)
		(void)sks_handle_offer(handle, SKS_OP_REGISTER, 0);
	return answer;
}
