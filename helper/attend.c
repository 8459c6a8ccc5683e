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

#define MAX_ATTENDED	    1024
#define KEPT_FOR_ROOT	    128
#define MAX_ATTENDED_A_USER 64

struct attended {
	int pidfd;
	struct sks_peer peer;
};

static struct attended attended[MAX_ATTENDED];
static size_t n_attended;

bool sks_attend_any(void)
{
	return n_attended;
}

static unsigned int attended_of(uint32_t uid)
{
	unsigned int n = 0;

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

static bool has_room(const struct sks_peer *peer)
{
	if (peer->root)
		return n_attended < MAX_ATTENDED;
	return n_attended < MAX_ATTENDED - KEPT_FOR_ROOT &&
	       attended_of(peer->uid) < MAX_ATTENDED_A_USER;
}

void sks_attend(struct sks_asked *asked, int epoll, void *tag)
{
	const struct sks_peer *peer = &asked->peer;
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = tag };
	CLEANUP_FD int pidfd = -1;

	if (is_attended(peer->pid))
		return;
	if (!has_room(peer)) {
		(void)sks_refuse(&asked->verdict, -ENOSPC, "too many processes are attended");
		return;
	}
	pidfd = (int)syscall(SYS_pidfd_open, peer->pid, 0);
	if (pidfd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, &event))
		(void)sks_refuse(&asked->verdict, -errno, "cannot attend process %d: %s",
				 (int)peer->pid, strerror(errno));
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
