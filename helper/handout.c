// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the reports that were handed out and are still open somewhere (see handout.h). */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "handout.h"
#include "sealed.h"

#define MAX_HANDOUTS  512
#define KEPT_FOR_ROOT 64

static struct handout {
	int fd; /* ours, which the kernel does not count as one that writes; theirs it does */
	uint32_t uid;
} handouts[MAX_HANDOUTS];
static size_t n_handouts;

/* A lease for reading is to be had when nobody has the file open for writing, nor mapped. */
static bool is_open_elsewhere(int fd)
{
	if (fcntl(fd, F_SETLEASE, F_RDLCK))
		return errno == EAGAIN;
	(void)fcntl(fd, F_SETLEASE, F_UNLCK);
	return false;
}

void sks_handouts_forget(void)
{
	for (size_t i = n_handouts; i-- > 0;) {
		if (is_open_elsewhere(handouts[i].fd))
			continue;
		(void)close(handouts[i].fd);
		handouts[i] = handouts[--n_handouts];
	}
}

static int check_room(uint32_t uid)
{
	size_t own = 0;

	for (size_t i = 0; i < n_handouts; i++)
		own += handouts[i].uid == uid;
	if (uid && own >= SKS_HANDOUTS_A_USER)
		return -EDQUOT;
	return n_handouts < MAX_HANDOUTS - (uid ? KEPT_FOR_ROOT : 0) ? 0 : -ENOSPC;
}

/* Opened for writing, so that it counts; and nobody may open it another time, for reading alone. */
static int open_for_them(int fd)
{
	CLEANUP_FD int theirs = -1;
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	theirs = open(path, O_RDWR | O_CLOEXEC);
	if (theirs < 0 || fchmod(fd, 0))
		return -errno;
	return sks_take_fd(&theirs);
}

int sks_handout(const char *text, uint32_t uid)
{
	CLEANUP_FD int fd = -1, theirs = -1;
	int err;

	sks_handouts_forget();
	err = check_room(uid);
	if (err)
		return err;
	fd = sks_sealed_make("sksteer-report", text, strlen(text));
	theirs = fd < 0 ? fd : open_for_them(fd);
	if (theirs >= 0)
		handouts[n_handouts++] = (struct handout){ sks_take_fd(&fd), uid };
	return sks_take_fd(&theirs);
}
