/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns that nothing is read that the kernel would not read (see readable.h). */
#include "readable.h"

#include <errno.h>
#include <sys/socket.h>

#include "../common/raw.h"

#define PAGE 4096u /* the smallest that there is */

/*
 * By a system call that the server makes anyway, so that no sandbox is surprised: an address of one
 * byte is copied in, and then refused as too short before anything is sent.
 */
static bool ask(int fd, uintptr_t page)
{
	struct iovec none = { 0 };
	struct msghdr msg = { .msg_iov = &none, .msg_iovlen = 1, .msg_namelen = 1 };

	msg.msg_name = (void *)(page * PAGE);
	return sks_raw(SYS_sendmsg, fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) != -EFAULT;
}

static bool is_known(struct sks_pages *pages, int fd, uintptr_t page)
{
	_Atomic uintptr_t *known = &pages->known[page % SKS_PAGES];

	if (*known == page + 1)
		return true;
	if (!ask(fd, page))
		return false;
	*known = page + 1;
	return true;
}

bool sks_readable(struct sks_pages *pages, int fd, const void *bytes, size_t len)
{
	uintptr_t first = (uintptr_t)bytes, last = first + len - 1;

	if (!len)
		return true;
	if (!bytes || last < first)
		return false;
	for (uintptr_t page = first / PAGE; page <= last / PAGE; page++) {
		if (!is_known(pages, fd, page))
			return false;
	}
	return true;
}
