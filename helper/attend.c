// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the processes while which live the helper does not go for idleness (see attend.h). */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "attend.h"

#define KEPT_FOR_ROOT	    128
#define MAX_ATTENDED_A_USER 64

struct attended {
	int pidfd;
	struct sks_peer peer;
};

static struct attended attended[SKS_MAX_ATTENDED];
static size_t n_attended;

bool sks_attend_any(void)
{
	return n_attended;
}

static size_t attended_of(uint32_t uid)
{
	size_t n = 0;

	for (size_t i = 0; i < n_attended; i++)
		n += attended[i].peer.uid == uid;
	return n;
}

static bool is_attended(pid_t pid)
{
	size_t i = 0;

	while (i < n_attended && attended[i].peer.pid != pid)
		i++;
	return i < n_attended;
}

static bool has_room(const struct sks_peer *peer, size_t n, size_t own)
{
	if (peer->root)
		return n < SKS_MAX_ATTENDED;
	return n < SKS_MAX_ATTENDED - KEPT_FOR_ROOT && own < MAX_ATTENDED_A_USER;
}

static void refuse(struct sks_asked *asked, int err)
{
	(void)sks_refuse(&asked->verdict, -err, "cannot attend process %d: %s",
			 (int)asked->peer.pid, strerror(err));
}

int sks_attend_open(struct sks_asked *asked, size_t n, size_t own)
{
	int pidfd = -1;

	if (!has_room(&asked->peer, n, own)) {
		(void)sks_refuse(&asked->verdict, -ENOSPC, "too many processes are attended");
		return -1;
	}
	pidfd = (int)syscall(SYS_pidfd_open, asked->peer.pid, 0);
	if (pidfd < 0)
		refuse(asked, errno);
	return pidfd;
}

void sks_attend(struct sks_asked *asked, int epoll, void *tag)
{
	const struct sks_peer *peer = &asked->peer;
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = tag };
	CLEANUP_FD int pidfd = -1;

	if (is_attended(peer->pid))
		return;
	pidfd = sks_attend_open(asked, n_attended, attended_of(peer->uid));
	if (pidfd < 0)
		return;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, &event))
		refuse(asked, errno);
	else
		attended[n_attended++] = (struct attended){ sks_take_fd(&pidfd), *peer };
}

/* A pidfd is readable once its process has ended, be it waited for or not. */
void sks_attend_forget(void)
{
	for (size_t i = n_attended; i-- > 0;) {
		struct pollfd poll_fd = { .fd = attended[i].pidfd, .events = POLLIN };

		if (poll(&poll_fd, 1, 0) <= 0)
			continue;
		(void)close(attended[i].pidfd);
		attended[i] = attended[--n_attended];
	}
}
