/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the walks over /proc: who holds a socket, who descends from whom. */
#include "holder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/text.h"

#define CLOCK_EVERY 256 /* descriptors from one look at the clock to the next */

/* Called for each socket of a process; anything but 0 ends the walk. */
typedef int socket_fn(pid_t pid, int fd, uint32_t inode, void *data);

/* Makes room for one element more, in steps that double. */
static void *grow(void *list, size_t n, size_t size)
{
	if (n && (n < 16 || (n & (n - 1))))
		return list;
	return reallocarray(list, n ? 2 * n : 16, size);
}

static bool parse_number(const char *name, uint32_t *ret_number)
{
	return sks_uint_parse(name, strlen(name), INT32_MAX, ret_number) == 0;
}

static unsigned int limit_ms; /* 0: none */
static int64_t deadline;

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void sks_holder_limit(unsigned int ms)
{
	limit_ms = ms;
}

static void begin_walk(void)
{
	deadline = limit_ms ? now_ms() + limit_ms : 0;
}

int sks_holder_in_time(void)
{
	return deadline && now_ms() > deadline ? -ETIMEDOUT : 0;
}

int sks_each_process(sks_pid_fn *fn, void *data)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	uint32_t pid;
	int err = 0;

	if (!proc)
		return -errno;
	begin_walk();
	while (!err && (entry = readdir(proc))) {
		if (parse_number(entry->d_name, &pid))
			err = fn((pid_t)pid, data) ?: sks_holder_in_time();
	}
	(void)closedir(proc);
	return err;
}

/* 0: no socket. */
static uint32_t inode_of_link(int dir, const char *name)
{
	static const char lead[] = "socket:[";
	char target[64];
	ssize_t len = readlinkat(dir, name, target, sizeof(target));
	uint32_t inode;

	/* One that does not fit is a path, and no socket. */
	if (len <= (ssize_t)strlen(lead) || len == (ssize_t)sizeof(target) ||
	    memcmp(target, lead, strlen(lead)) != 0 || target[len - 1] != ']' ||
	    sks_uint_parse(target + strlen(lead), (size_t)len - strlen(lead) - 1, UINT32_MAX,
			   &inode))
		return 0;
	return inode;
}

static int each_socket(pid_t pid, socket_fn *fn, void *data)
{
	char path[32];
	struct dirent *entry;
	uint32_t fd, inode, seen = 0;
	int err = 0;
	DIR *fds;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	fds = opendir(path);
	if (!fds)
		return 0; /* gone, or not ours to look into */
	while (!err && (entry = readdir(fds))) {
		if (!parse_number(entry->d_name, &fd))
			continue;
		inode = inode_of_link(dirfd(fds), entry->d_name);
		if (inode)
			err = fn(pid, (int)fd, inode, data);
		if (!err && ++seen % CLOCK_EVERY == 0)
			err = sks_holder_in_time();
	}
	(void)closedir(fds);
	return err;
}

struct search {
	const uint32_t *inodes;
	size_t n;
	struct sks_holders found;
};

static int take_holder(pid_t pid, int fd, uint32_t inode, void *data)
{
	struct search *search = data;
	struct sks_holder *list;
	size_t i = 0;

	while (i < search->n && search->inodes[i] != inode)
		i++;
	if (i == search->n)
		return 0;
	list = grow(search->found.list, search->found.n, sizeof(*list));
	if (!list)
		return -ENOMEM;
	search->found.list = list;
	list[search->found.n++] = (struct sks_holder){ pid, fd, inode };
	return 0;
}

static int search_process(pid_t pid, void *data)
{
	return each_socket(pid, take_holder, data);
}

int sks_holders_find(const uint32_t *inodes, size_t n, struct sks_holders *ret_holders)
{
	struct search search = { .inodes = inodes, .n = n };
	int err = sks_each_process(search_process, &search);

	if (err)
		free(search.found.list);
	else
		*ret_holders = search.found;
	return err;
}

pid_t sks_parent(pid_t pid)
{
	char path[32], stat[512], *name_end;
	CLEANUP_FD int fd = -1;
	ssize_t len;
	int parent;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, stat, sizeof(stat) - 1);
	if (len <= 0)
		return 0;
	stat[len] = '\0';
	/* PID (NAME) STATE PARENT: the name may have anything in it. */
	name_end = strrchr(stat, ')');
	if (!name_end || strlen(name_end) < sizeof(") S 1") - 1)
		return 0;
	parent = (int)strtol(name_end + sizeof(") S") - 1, NULL, 10);
	return parent > 0 ? parent : 0;
}

bool sks_holds(const struct sks_holders *holders, pid_t pid)
{
	for (size_t i = 0; i < holders->n; i++) {
		if (holders->list[i].pid == pid)
			return true;
	}
	return false;
}

pid_t sks_holders_top(const struct sks_holders *holders, pid_t pid)
{
	pid_t parent;

	while (!sks_holder_in_time() && (parent = sks_parent(pid)) > 1 &&
	       sks_holds(holders, parent))
		pid = parent;
	return pid;
}

int sks_is_held_elsewhere(uint32_t inode, pid_t pid)
{
	struct sks_holders holders = { 0 };
	int err = sks_holders_find(&inode, 1, &holders);
	pid_t top;

	if (err)
		return err;
	top = sks_holders_top(&holders, pid);
	for (size_t i = 0; i < holders.n && !err; i++)
		err = sks_holders_top(&holders, holders.list[i].pid) != top;
	free(holders.list);
	return sks_holder_in_time() ?: err;
}

struct relative {
	pid_t pid, parent;
	bool in;
};

struct relatives {
	struct relative *list;
	size_t n;
};

static int take_relative(pid_t pid, void *data)
{
	struct relatives *all = data;
	struct relative *list = grow(all->list, all->n, sizeof(*list));

	if (!list)
		return -ENOMEM;
	all->list = list;
	list[all->n++] = (struct relative){ pid, sks_parent(pid), false };
	return 0;
}

static int by_pid(const void *a, const void *b)
{
	const struct relative *pa = a, *pb = b;

	return (pa->pid > pb->pid) - (pa->pid < pb->pid);
}

static struct relative *find_relative(const struct relatives *all, pid_t pid)
{
	const struct relative key = { .pid = pid };

	return all->n ? bsearch(&key, all->list, all->n, sizeof(key), by_pid) : NULL;
}

/* Usually one pass: children are younger, and mostly have the larger number. */
static void mark_descendants(const struct relatives *all)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < all->n; i++) {
			struct relative *one = &all->list[i], *parent;

			parent = one->in ? NULL : find_relative(all, one->parent);
			if (parent && parent->in)
				one->in = more = true;
		}
	}
}

static int collect(const struct relatives *all, struct sks_pids *ret_pids)
{
	pid_t *list = calloc(all->n + 1, sizeof(*list));
	size_t n = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < all->n; i++) {
		if (all->list[i].in)
			list[n++] = all->list[i].pid;
	}
	*ret_pids = (struct sks_pids){ list, n };
	return 0;
}

int sks_descendants(const pid_t *pids, size_t n, struct sks_pids *ret_pids)
{
	struct relatives all = { 0 };
	int err = sks_each_process(take_relative, &all);

	if (!err && all.n)
		qsort(all.list, all.n, sizeof(*all.list), by_pid);
	for (size_t i = 0; !err && i < n; i++) {
		struct relative *one = find_relative(&all, pids[i]);

		if (one)
			one->in = true;
	}
	if (!err) {
		mark_descendants(&all);
		err = collect(&all, ret_pids);
	}
	free(all.list);
	return err;
}

static int compare_pids(const void *a, const void *b)
{
	const pid_t *pa = a, *pb = b;

	return (*pa > *pb) - (*pa < *pb);
}

bool sks_pids_have(const struct sks_pids *pids, pid_t pid)
{
	return pids->n && bsearch(&pid, pids->list, pids->n, sizeof(pid), compare_pids);
}

static int take_inode(pid_t pid, int fd, uint32_t inode, void *data)
{
	struct sks_inodes *inodes = data;
	uint32_t *list = grow(inodes->list, inodes->n, sizeof(*list));

	(void)pid;
	(void)fd;
	if (!list)
		return -ENOMEM;
	inodes->list = list;
	list[inodes->n++] = inode;
	return 0;
}

static int compare_inodes(const void *a, const void *b)
{
	const uint32_t *ia = a, *ib = b;

	return (*ia > *ib) - (*ia < *ib);
}

int sks_sockets_of(const struct sks_pids *pids, struct sks_inodes *ret_inodes)
{
	struct sks_inodes inodes = { 0 };
	int err = 0;

	begin_walk();
	for (size_t i = 0; !err && i < pids->n; i++)
		err = each_socket(pids->list[i], take_inode, &inodes);
	if (err) {
		free(inodes.list);
		return err;
	}
	if (inodes.n)
		qsort(inodes.list, inodes.n, sizeof(*inodes.list), compare_inodes);
	*ret_inodes = inodes;
	return 0;
}

bool sks_inodes_have(const struct sks_inodes *inodes, uint32_t inode)
{
	return inodes->n && bsearch(&inode, inodes->list, inodes->n, sizeof(inode), compare_inodes);
}
