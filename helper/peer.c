// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns who asks: what the kernel says of the other end of a connection (see peer.h). */
#include <errno.h>
#include <linux/capability.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "peer.h"
#include "process.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

#define HAS(caps, cap) ((caps)&1u << (cap))

/* -1: before 6.5. *ret_gone: the kernel knows it, and it has ended. */
int sks_peer_pidfd(int fd, bool *ret_gone)
{
	int pidfd;
	socklen_t len = sizeof(pidfd);

	*ret_gone = false;
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len))
		return pidfd;
	*ret_gone = errno != ENOPROTOOPT;
	return -1;
}

/*
 * Effective capabilities in our own user namespace: in another one the peer has none here. What it
 * has by its own account is asked first, as that costs little and most have none.
 */
static uint32_t read_caps(int fd, const struct ucred *cred)
{
	uint32_t claims = sks_process_claims(cred->pid);
	struct sks_process process = { .pid = cred->pid, .uid = cred->uid };
	CLEANUP_FD int pidfd = -1;
	bool gone;

	if (!HAS(claims, CAP_NET_BIND_SERVICE) && (cred->uid || !HAS(claims, CAP_NET_ADMIN)))
		return 0;
	pidfd = sks_peer_pidfd(fd, &gone);
	process.pidfd = pidfd;
	return !gone && sks_process_is_ours(&process) ? claims : 0;
}

int sks_peer_read(int fd, struct sks_peer *ret_peer)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	uint32_t caps;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	caps = read_caps(fd, &cred);
	*ret_peer = (struct sks_peer){
		.uid = cred.uid,
		.gid = cred.gid,
		.pid = cred.pid,
		.root = cred.uid == 0 && HAS(caps, CAP_NET_ADMIN),
		.binds_low = HAS(caps, CAP_NET_BIND_SERVICE),
	};
	return 0;
}
