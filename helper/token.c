// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the tokens of registered UDP sockets (see token.h). */
#include <sys/random.h>

#include "slot.h"
#include "stranger.h"
#include "token.h"

/* 0 when the kernel has none to give, which it always has once the machine is up. */
static uint64_t make(void)
{
	uint64_t token;

	return getrandom(&token, sizeof(token), GRND_NONBLOCK) == sizeof(token) ? token : 0;
}

/* A cookie is one of the whole machine's only since 5.9: so by the namespace, too. */
static uint32_t find(struct sks_asked *asked, struct sks_space *space)
{
	struct sks_verdict verdict = asked->verdict;
	struct sks_socket socket;
	uint32_t i = 0;

	if (space && !sks_stranger_read(asked->fd, &socket, &asked->verdict) &&
	    socket.proto == SKS_UDP && !sks_ask_netns(asked))
		i = sks_slot_find(space, socket.cookie);
	asked->verdict = verdict;
	return i && sks_slot_lives(&space->maps, i) ? i : 0;
}

void sks_token_tell(struct sks_asked *asked)
{
	struct sks_space *space = sks_spaces_find(asked->spaces, asked->netns_ino);
	uint32_t i = find(asked, space);

	if (!i)
		return;
	if (!space->tokens[i])
		space->tokens[i] = make();
	asked->token = space->tokens[i];
}

bool sks_token_is(const struct sks_space *space, uint32_t slot, uint64_t token)
{
	return token && space->tokens[slot] == token;
}
