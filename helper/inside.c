/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns every visit to another network namespace: there by setns(2), and back before the call
 * returns. The helper has a worker for that; whoever has none has one thread, so nothing else runs
 * while it is away.
 */
#include "inside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
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

#define KEPT_FILES 64 /* namespaces whose sysctls stay open */

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

static int is_home(int netns, bool *ret_is)
{
	struct stat st;
	int err = know_home();

	if (err)
		return err;
	if (fstat(netns, &st) < 0)
		return -errno;
	*ret_is = st.st_dev == home.dev && st.st_ino == home.ino;
	return 0;
}

/* *ret_away: go_home() is due. */
static int enter(int netns, bool *ret_away)
{
	bool here;
	int err = is_home(netns, &here);

	if (err || here)
		return err;
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

uint64_t sks_netns_cookie(int sock)
{
	uint64_t cookie;

	/* Below getsockopt(2) nothing of a file that is no socket runs. */
	return getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, &cookie,
			  &(socklen_t){ sizeof(cookie) })
		       ? 0
		       : cookie;
}

enum op { SOCKET, LOW_PORTS, LOCAL_PORTS };

struct question {
	uint32_t op;
	int32_t domain, type, protocol; /* SOCKET */
};

struct answer {
	int32_t err;
};

/* Whoever could have any socket made anywhere could listen and connect in the name of others. */
static bool may_be_made(const struct question *q)
{
	if (q->domain == AF_NETLINK)
		return q->type == SOCK_RAW &&
		       (q->protocol == NETLINK_SOCK_DIAG || q->protocol == NETLINK_ROUTE);
	return (q->domain == AF_INET || q->domain == AF_INET6) && !q->protocol &&
	       (q->type == SOCK_STREAM || q->type == SOCK_DGRAM);
}

/* Where we are. */
static int make_socket(const struct question *q, int *ret_sock)
{
	int sock;

	if (!may_be_made(q))
		return -EPROTONOSUPPORT;
	sock = socket(q->domain, q->type | SOCK_CLOEXEC, q->protocol);
	if (sock < 0)
		return -errno;
	*ret_sock = sock;
	return 0;
}

/* Where we are: /proc/sys/net shows the namespace of the task that looks a name up, whoever mounted
 * it. */
static int open_limits(enum op op, int *ret_file)
{
	int fd = open(op == LOW_PORTS ? "/proc/sys/net/ipv4/ip_unprivileged_port_start"
				      : "/proc/sys/net/ipv4/ip_local_port_range",
		      O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_file = fd;
	return 0;
}

static void work(const void *question, int netns, void *ret_answer, int *ret_fd)
{
	const struct question *q = question;
	struct answer *answer = ret_answer;
	bool away = false;

	*answer = (struct answer){ .err = enter(netns, &away) };
	if (!answer->err)
		answer->err = q->op == SOCKET ? make_socket(q, ret_fd) : open_limits(q->op, ret_fd);
	go_home(away);
}

struct sks_worker sks_inside_worker = {
	.name = "sksteerd-inside",
	.question = sizeof(struct question),
	.answer = sizeof(struct answer),
	.work = work,
	.sock = -1,
};

/* The worker is spared where there is nothing to enter. *ret_fd is the caller's. */
static int ask(int netns, const struct question *question, int *ret_fd)
{
	struct answer answer = {};
	CLEANUP_FD int fd = -1;
	bool here = false;
	int err = is_home(netns, &here);

	if (!err && here)
		work(question, netns, &answer, &fd);
	else if (!err)
		err = sks_worker_ask(&sks_inside_worker, question, netns, &answer, &fd);
	err = err ?: answer.err;
	if (!err && fd < 0)
		err = -EPROTO;
	if (!err)
		*ret_fd = sks_take_fd(&fd);
	return err;
}

int sks_inside_socket(int netns, int domain, int type, int protocol)
{
	const struct question question = { SOCKET, domain, type, protocol };
	int sock = -1, err = ask(netns, &question, &sock);

	return err ?: sock;
}

/*
 * The sysctls of the namespaces that were asked for last. Whoever has such a file open reads that
 * namespace's value, wherever he is, and does not keep the namespace: without it reading fails. So
 * an inode number that is used again is noticed.
 */
static struct files {
	dev_t dev;
	ino_t ino;
	int low, local; /* -1: not open */
} kept[KEPT_FILES];

static void let_go(struct files *files)
{
	if (files->ino) {
		sks_closep(&files->low);
		sks_closep(&files->local);
	}
	files->ino = 0;
}

void sks_inside_forget(void)
{
	char byte;

	for (size_t i = 0; i < KEPT_FILES; i++) {
		if (kept[i].ino && pread(kept[i].low, &byte, sizeof(byte), 0) < 0)
			let_go(&kept[i]);
	}
}

static struct files *files_of(const struct stat *netns)
{
	static size_t next;
	struct files *files;

	for (size_t i = 0; i < KEPT_FILES; i++) {
		if (kept[i].ino == netns->st_ino && kept[i].dev == netns->st_dev)
			return &kept[i];
	}
	files = &kept[next++ % KEPT_FILES];
	let_go(files);
	*files = (struct files){ netns->st_dev, netns->st_ino, -1, -1 };
	return files;
}

/* Reads n port numbers, at most two. */
static int read_ports(int fd, uint16_t *ret_ports, size_t n)
{
	char buf[32], *pos = buf, *end;
	uint16_t ports[2];
	ssize_t len = pread(fd, buf, sizeof(buf) - 1, 0);

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

/* By a file that is open, or anew. */
static int read_sysctl(int netns, enum op op, int *file, uint16_t *ret_ports, size_t n)
{
	const struct question question = { .op = op };
	int err;

	if (*file >= 0 && !read_ports(*file, ret_ports, n))
		return 0;
	sks_closep(file);
	*file = -1;
	err = ask(netns, &question, file);
	return err ?: read_ports(*file, ret_ports, n);
}

int sks_inside_port_limits(int netns, struct sks_port_limits *ret_limits)
{
	uint16_t low, local[2];
	struct files *files;
	struct stat st;
	int err;

	if (fstat(netns, &st) < 0)
		return -errno;
	files = files_of(&st);
	err = read_sysctl(netns, LOW_PORTS, &files->low, &low, 1);
	if (!err)
		err = read_sysctl(netns, LOCAL_PORTS, &files->local, local, 2);
	if (err)
		return err;
	*ret_limits = (struct sks_port_limits){
		.unprivileged_start = low,
		.local_first = local[0],
		.local_last = local[1],
	};
	return 0;
}
