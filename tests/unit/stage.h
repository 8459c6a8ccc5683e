/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns what the unit tests need that load the program: a network namespace and a bpffs of their
 * own, and no more capabilities than the program is promised to load with.
 */
#ifndef SKSTEER_STAGE_H
#define SKSTEER_STAGE_H

#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tap.h"

/*
 * What the program and the maps are loaded, attached and changed with is CAP_BPF and CAP_NET_ADMIN
 * alone: the verifier lets a program do less then.
 */
static inline void stage_restrict(bool on)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	need(!syscall(SYS_capget, &header, data), "capget");
	data[0].effective = data[0].permitted;
	data[1].effective = data[1].permitted;
	if (on) {
		data[0].effective &= 1u << CAP_NET_ADMIN;
		data[1].effective &= 1u << (CAP_BPF - 32);
	}
	need(!syscall(SYS_capset, &header, data), "capset");
}

/* Makes dir, as mkdtemp(3) does, with a bpffs on it. Returns the new namespace. */
static inline int stage_open(char *dir)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int sock, netns;

	need(mkdtemp(dir) != NULL, "mkdtemp");
	need(unshare(CLONE_NEWNS | CLONE_NEWNET) == 0, "unshare, as root");
	/* In a chroot that is no mount point there is nothing to make private. */
	(void)mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	need(mount("bpf", dir, "bpf", 0, "mode=0700") == 0, "mount bpffs");
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	need(sock >= 0 && ioctl(sock, SIOCSIFFLAGS, &lo) == 0, "lo up");
	close(sock);
	netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	need(netns >= 0, "/proc/self/ns/net");
	return netns;
}

static inline void stage_close(const char *dir)
{
	(void)umount2(dir, MNT_DETACH);
	(void)rmdir(dir);
}

#endif
