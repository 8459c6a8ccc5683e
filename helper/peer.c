// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns who asks: what the kernel says of the other end of a connection (see peer.h). */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "peer.h"

/*
 * The peer's effective capabilities in our own user namespace: in another one it has none here. It
 * may have become another program since it connected: a setuid one, which has them all, or one with
 * file capabilities. The files of such a process are root's until it runs another program, and who
 * has entered a user namespace stays there: so both are looked at last.
 */
static uint32_t read_caps(const struct ucred *cred)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, cred->pid };
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
	static struct stat own; /* the helper never leaves its user namespace */
	struct stat owner, peer;
	char path[32];

	/* 0: of another pid namespace. To capget(2) that is the caller. */
	if (cred->pid <= 0)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)cred->pid);
	if ((!own.st_ino && stat("/proc/self/ns/user", &own)) || syscall(SYS_capget, &head, caps) ||
	    lstat(path, &owner) || owner.st_uid != cred->uid || stat(path, &peer) ||
	    own.st_dev != peer.st_dev || own.st_ino != peer.st_ino)
		return 0;
	return caps[0].effective;
}

int sks_peer_read(int fd, struct sks_peer *ret_peer)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	uint32_t caps;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	caps = read_caps(&cred);
	*ret_peer = (struct sks_peer){
		.uid = cred.uid,
		.pid = cred.pid,
		.root = cred.uid == 0 && caps & 1u << CAP_NET_ADMIN,
		.binds_low = caps & 1u << CAP_NET_BIND_SERVICE,
	};
	return 0;
}
