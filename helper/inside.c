/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns every visit to another network namespace: there by setns(2), and back before the call
 * returns. The helper has one thread, so nothing else runs while it is away.
 */
#include "inside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/cleanup.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* Open from first use on: the way back, and what keeps this inode number from being reused. */
static struct {
	int fd;
	dev_t dev;
	ino_t ino;
} home = { .fd = -1 };

static int know_home(void)
{
	CLEANUP_FD int fd = -1;
	struct stat st;

	if (home.fd >= 0)
		return 0;
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	home.dev = st.st_dev;
	home.ino = st.st_ino;
	home.fd = sks_take_fd(&fd);
	return 0;
}

/* *ret_away: go_home() is due. False in the helper's own namespace, where setns is spared. */
static int enter(int netns, bool *ret_away)
{
	struct stat st;
	int err = know_home();

	if (err)
		return err;
	if (fstat(netns, &st) < 0)
		return -errno;
	if (st.st_dev == home.dev && st.st_ino == home.ino) {
		*ret_away = false;
		return 0;
	}
	if (setns(netns, CLONE_NEWNET) < 0)
		return -errno;
	*ret_away = true;
	return 0;
}

/* A helper that stayed behind would act in a stranger's namespace: better none, the maps go on. */
static void go_home(bool away)
{
	if (!away || setns(home.fd, CLONE_NEWNET) == 0)
		return;
	(void)dprintf(STDERR_FILENO, "<2>sksteerd: no way back to its own network namespace: %s\n",
		      strerror(errno));
	abort();
}

int sks_netns_of_socket(int sock, int *ret_netns, uint64_t *ret_ino)
{
	CLEANUP_FD int fd = -1;
	struct stat st;
	int domain;

	/*
	 * The descriptor is a stranger's: ioctl(2) on a device or a FUSE file would run the
	 * stranger's code, which may hang or return the number of one of our own descriptors. This
	 * does not.
	 */
	if (getsockopt(sock, SOL_SOCKET, SO_DOMAIN, &domain, &(socklen_t){ sizeof(domain) }) < 0)
		return -errno;
	fd = ioctl(sock, SIOCGSKNS);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	*ret_ino = st.st_ino;
	*ret_netns = sks_take_fd(&fd);
	return 0;
}

int sks_netns_of_process(pid_t pid, uint64_t ino)
{
	CLEANUP_FD int fd = -1;
	char path[32];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || st.st_ino != ino)
		return -ESRCH;
	return sks_take_fd(&fd);
}

uint64_t sks_netns_cookie(int sock)
{
	uint64_t cookie;

	/* Below getsockopt(2) nothing of a file that is no socket runs. */
	return getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, &cookie,
			  &(socklen_t){ sizeof(cookie) })
		       ? 0
		       : cookie;
}

int sks_inside_socket(int netns, int domain, int type, int protocol)
{
	bool away = false;
	int sock, err;

	err = enter(netns, &away);
	if (err)
		return err;
	sock = socket(domain, type | SOCK_CLOEXEC, protocol);
	if (sock < 0)
		sock = -errno;
	go_home(away);
	return sock;
}

/* Reads n port numbers, at most two, from a sysctl. */
static int read_ports(const char *path, uint16_t *ret_ports, size_t n)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[32], *pos = buf, *end;
	uint16_t ports[2];
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = read(fd, buf, sizeof(buf) - 1);
	if (len < 0)
		return -errno;
	buf[len] = '\0';
	for (size_t i = 0; i < n; i++, pos = end) {
		unsigned long value = strtoul(pos, &end, 10);

		if (end == pos || value > UINT16_MAX)
			return -EPROTO;
		ports[i] = (uint16_t)value;
	}
	memcpy(ret_ports, ports, n * sizeof(*ports));
	return 0;
}

int sks_inside_port_limits(int netns, struct sks_port_limits *ret_limits)
{
	uint16_t unprivileged, local[2];
	bool away = false;
	int err;

	err = enter(netns, &away);
	if (err)
		return err;
	/* /proc/sys/net shows the namespace of the task that looks a name up, whoever mounted it. */
	err = read_ports("/proc/sys/net/ipv4/ip_unprivileged_port_start", &unprivileged, 1);
	if (!err)
		err = read_ports("/proc/sys/net/ipv4/ip_local_port_range", local, 2);
	go_home(away);
	if (err)
		return err;
	*ret_limits = (struct sks_port_limits){
		.unprivileged_start = unprivileged,
		.local_first = local[0],
		.local_last = local[1],
	};
	return 0;
}
