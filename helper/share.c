// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns sockets that two instances have (see share.h). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "holder.h"
#include "resolve.h"
#include "share.h"
#include "slot.h"

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

/* Of the /proc entry of that process: who may look into it, and its user namespace. */
static bool is_open_to(pid_t pid, const struct sks_peer *peer)
{
	struct stat own, other;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	/* Of a process that is not dumpable it is root's, as all there is but /proc/PID itself. */
	if (stat(path, &other) || other.st_uid != peer->uid)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	if (stat(path, &other))
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)peer->pid);
	return !stat(path, &own) && own.st_ino == other.st_ino && own.st_dev == other.st_dev;
}

/* A descriptor the caller owns, or -1. The cookie says whether it is still that socket. */
static int take(const struct sks_holder *holder, const struct sks_peer *peer, uint64_t cookie)
{
	CLEANUP_FD int pidfd = (int)syscall(SYS_pidfd_open, holder->pid, 0);
	CLEANUP_FD int fd = -1;
	uint64_t is = 0;
	socklen_t len = sizeof(is);

	if (pidfd < 0 || !is_open_to(holder->pid, peer))
		return -1;
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, holder->fd, 0);
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_COOKIE, &is, &len) || is != cookie)
		return -1;
	return sks_take_fd(&fd);
}

static int take_any(const struct sks_slot *slot, const struct sks_peer *peer)
{
	struct sks_holders holders = {};
	uint32_t inode = slot->inode;
	int fd = -1;

	if (sks_holders_find(&inode, 1, &holders))
		return -1;
	for (size_t i = 0; fd < 0 && i < holders.n; i++)
		fd = take(&holders.list[i], peer, slot->cookie);
	free(holders.list);
	return fd;
}

int sks_share(struct sks_asked *asked, struct sks_space *space, uint32_t i,
	      const struct sks_socket *socket)
{
	struct sks_slot *slot = &space->maps.slots[i];
	CLEANUP_FD int fd = -1;
	int err = compare(asked, space, slot, socket);

	if (err)
		return err;
	fd = take_any(slot, &asked->peer);
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

	if (asked->fd < 0) {
		(void)sks_refuse(&asked->verdict, -EBADF, "no descriptor came along");
		return;
	}
	if (!space || sks_socket_read(asked->fd, &socket, &asked->verdict))
		return;
	i = sks_slot_find(space, socket.cookie);
	asked->steered = i && space->maps.slots[i].flags & SKS_SLOT_SHARED &&
			 sks_service_of_slot(space, i)->uid == asked->peer.uid &&
			 sks_is_held_elsewhere(space->maps.slots[i].inode, asked->peer.pid) == 1;
}
