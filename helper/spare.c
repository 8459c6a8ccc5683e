// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the processes that stand by in the seccomp engine's supervisors (see spare.h). */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "attend.h"
#include "log.h"
#include "slot.h"
#include "spare.h"

#define GRACE_MS 2000 /* for the next one, on a busy machine */

struct spare {
	int pidfd;     /* -1: it has ended */
	int64_t ended; /* when that was seen */
	uint32_t uid;
	bool root;
	uint8_t instance[SKS_INSTANCE_SIZE];
};

static struct spare spares[SKS_MAX_ATTENDED];
static size_t n_spares;

bool sks_spare_is(const struct sks_request *req)
{
	static const uint8_t none[SKS_INSTANCE_SIZE];

	return memcmp(req->instance, none, sizeof(none)) != 0;
}

/* The supervisor of a server that has become another user is still that of whoever started it. */
static bool may_speak_of(const struct spare *spare, const struct sks_service *service)
{
	return spare->root || spare->uid == service->uid;
}

static void mark(const struct spare *spare, const struct sks_space *space, bool gone)
{
	const struct sks_maps *maps = &space->maps;
	bool said = false;

	for (uint32_t i = 1; i < space->n_slots; i++) {
		struct sks_slot *slot = &maps->slots[i];
		const struct sks_service *service;

		/* A shared one is open for the other instance's sake, whatever became of this one. */
		if (!slot->cookie || slot->flags & SKS_SLOT_SHARED ||
		    memcmp(slot->instance, spare->instance, sizeof(slot->instance)) != 0 ||
		    !sks_slot_lives(maps, i))
			continue;
		service = &maps->services[maps->dests[slot->dest].service];
		if (!may_speak_of(spare, service))
			continue;
		if (gone && !said)
			sks_log_of(service->uid, SKS_LOG_WARNING,
				   "%s: both processes of its supervisor have been killed: bind(2) "
				   "and listen(2) fail there with ENOSYS from now on",
				   service->label);
		said = true;
		slot->flags = gone ? slot->flags | SKS_SLOT_ALONE : slot->flags & ~SKS_SLOT_ALONE;
	}
}

static void mark_all(const struct spare *spare, const struct sks_spaces *spaces, bool gone)
{
	for (size_t i = 0; i < spaces->n; i++)
		mark(spare, spaces->spaces[i], gone);
}

static size_t spares_of(uint32_t uid)
{
	size_t n = 0;

	for (size_t i = 0; i < n_spares; i++)
		n += spares[i].uid == uid;
	return n;
}

void sks_spare_note(struct sks_asked *asked)
{
	const struct sks_peer *peer = &asked->peer;
	int pidfd = sks_attend_open(asked, n_spares, spares_of(peer->uid));
	struct spare *spare = &spares[n_spares];

	if (pidfd < 0)
		return;
	*spare = (struct spare){ .pidfd = pidfd, .uid = peer->uid, .root = peer->root };
	memcpy(spare->instance, asked->req->instance, sizeof(spare->instance));
	mark_all(spare, asked->spaces, false);
	n_spares++;
}

static void see(struct spare *spare, int64_t now)
{
	struct pollfd pfd = { .fd = spare->pidfd, .events = POLLIN };

	/* One that has ended has no descriptor, which poll(2) passes over. */
	if (poll(&pfd, 1, 0) <= 0)
		return;
	(void)close(sks_take_fd(&spare->pidfd));
	spare->ended = now;
}

static bool is_followed(const struct spare *spare)
{
	for (size_t i = 0; i < n_spares; i++)
		if (spares[i].pidfd >= 0 && spares[i].uid == spare->uid &&
		    !memcmp(spares[i].instance, spare->instance, sizeof(spare->instance)))
			return true;
	return false;
}

void sks_spare_look(const struct sks_spaces *spaces, int64_t now)
{
	for (size_t i = 0; i < n_spares; i++)
		see(&spares[i], now);
	for (size_t i = n_spares; i-- > 0;) {
		struct spare *spare = &spares[i];

		if (spare->pidfd >= 0 || now - spare->ended < GRACE_MS)
			continue;
		if (!is_followed(spare))
			mark_all(spare, spaces, true);
		*spare = spares[--n_spares];
	}
}
