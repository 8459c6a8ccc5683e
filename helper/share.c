// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns sockets that two instances have (see share.h). */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "policy.h"
#include "process.h"
#include "resolve.h"
#include "share.h"
#include "slot.h"
#include "stranger.h"
#include "token.h"

static int refuse(struct sks_asked *asked, int err, const char *why)
{
	return sks_refuse(&asked->verdict, err, "the socket of label \"%s\" cannot be shared: %s",
			  asked->req->label, why);
}

/* What a bound socket can't be changed in. */
static int compare(struct sks_asked *asked, const struct sks_space *space,
		   const struct sks_slot *slot, const struct sks_socket *socket)
{
	const struct sks_dest *dest = &space->maps.dests[slot->dest];

	if (slot->families != socket->families)
		return refuse(asked, -EADDRINUSE,
			      "this one is of another family, or IPV6_V6ONLY differs");
	if (dest->wildcard != !socket->addr.len || dest->ifindex != socket->ifindex)
		return refuse(asked, -EADDRINUSE, "this one is for another address");
	return 0;
}

/*
 * O_NONBLOCK is the socket's, not the process's. The one that comes may set it on the socket later,
 * which harms nobody who has it set; it can't expect of the other to have it set.
 */
static int compare_blocking(struct sks_asked *asked, int shared)
{
	int own = fcntl(asked->fd, F_GETFL), other = fcntl(shared, F_GETFL);

	if (own >= 0 && other >= 0 && own & O_NONBLOCK && !(other & O_NONBLOCK))
		return refuse(
			asked, -EADDRINUSE,
			"this one is to be O_NONBLOCK, and the one that has it waits in accept(2)");
	return 0;
}

/* From any process that has it and that the one who asks may look into. */
static int take(struct sks_asked *asked, const struct sks_slot *slot)
{
	bool gone;
	CLEANUP_FD int pidfd = sks_peer_pidfd(asked->conn, &gone);
	const struct sks_process for_whom = { asked->peer.pid, asked->peer.uid, pidfd };

	return gone ? -ESRCH : sks_process_take(slot->inode, slot->cookie, &for_whom);
}

int sks_share(struct sks_asked *asked, struct sks_space *space, uint32_t i,
	      const struct sks_socket *socket)
{
	struct sks_slot *slot = &space->maps.slots[i];
	CLEANUP_FD int fd = -1;
	int err = sks_policy_share(&asked->peer, &asked->verdict)
			  ?: compare(asked, space, slot, socket);

	if (err)
		return err;
	fd = take(asked, slot);
	if (fd == -ETIMEDOUT)
		return refuse(asked, fd, "there are too many descriptors to look through");
	if (fd < 0)
		return refuse(asked, -EPERM, "no process that you may look into has it");
	err = compare_blocking(asked, fd);
	if (err)
		return err;
	slot->flags |= SKS_SLOT_SHARED;
	asked->ret_fd = sks_take_fd(&fd);
	return 0;
}

void sks_ask_shared(struct sks_asked *asked)
{
	struct sks_space *space = sks_spaces_find(asked->spaces, asked->netns_ino);
	struct sks_socket socket;
	uint32_t i;

	if (sks_stranger_read(asked->fd, &socket, &asked->verdict) || !space)
		return;
	sks_token_tell(asked);
	i = sks_slot_find(space, socket.cookie);
	asked->steered = i && space->maps.slots[i].flags & SKS_SLOT_SHARED &&
			 sks_service_of_slot(space, i)->uid == asked->peer.uid &&
			 sks_process_held_elsewhere(space->maps.slots[i].inode, asked->peer.pid) ==
				 1;
}
