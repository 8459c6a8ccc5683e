/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns `sksteerctl unload`: this namespace is left as if nothing had ever been steered. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "../../common/cleanup.h"
#include "../bpffs.h"
#include "../claims.h"
#include "ctl.h"

/*
 * The lock that a helper holds while it writes what is pinned there: one with another --socket
 * would go on with maps that nobody sees any more.
 */
static int lock_pins(const struct sks_ctl *ctl)
{
	CLEANUP_FD int fd = open(ctl->bpffs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
		return -errno;
	return sks_take_fd(&fd);
}

static int fail_locked(const struct sks_ctl *ctl, int err)
{
	if (err == -EWOULDBLOCK)
		warnx("no helper at %s, but one uses %s: name its --socket", ctl->socket,
		      ctl->bpffs);
	else
		warnx("no helper at %s, and %s: %s", ctl->socket, ctl->bpffs, strerror(-err));
	return SKS_CTL_FAILED;
}

/* A helper that died left its pins, and they steer on. */
static int remove_pins(const struct sks_ctl *ctl)
{
	CLEANUP_FD int lock = lock_pins(ctl);
	char dir[256];
	int err = lock < 0 && lock != -ENOENT
			  ? lock
			  : sks_space_path(ctl->bpffs, ctl->netns_ino, dir, sizeof(dir));

	if (err)
		return fail_locked(ctl, err);
	if (lock == -ENOENT || access(dir, F_OK)) {
		warnx("no helper at %s, and nothing is loaded below %s for this network namespace",
		      ctl->socket, ctl->bpffs);
		return SKS_CTL_FAILED;
	}
	sks_claims_unload(ctl->bpffs, dir);
	if (!access(dir, F_OK)) {
		warnx("%s cannot be removed", dir);
		return SKS_CTL_FAILED;
	}
	(void)printf("unloaded without a helper: the pins in %s are gone\n", dir);
	return SKS_CTL_DONE;
}

int sks_ctl_unload(const struct sks_ctl *ctl)
{
	struct sks_request req = { .op = SKS_OP_UNLOAD };
	char why[SKS_CTL_WHYLEN];
	struct sks_reply reply;
	int err = sks_ctl_call(ctl, &req, NULL, &reply, NULL);

	if (sks_ctl_is_absent(err) && geteuid() == 0)
		return remove_pins(ctl);
	if (err || reply.err) {
		warnx("%s", err ? sks_ctl_why(ctl, err, why) : reply.text);
		return SKS_CTL_FAILED;
	}
	(void)printf("unloaded: nothing is steered in this network namespace any more\n");
	return SKS_CTL_DONE;
}
