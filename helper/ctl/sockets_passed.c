/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the sockets that a service manager passes to `sksteerctl register`: LISTEN_FDS of them, from
 * descriptor 3 on, if LISTEN_PID says that they are ours. If LISTEN_FDNAMES names some as the label
 * is named, these alone are meant.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../../common/text.h"
#include "sockets.h"

#define FIRST_FD 3
#define MAX_FDS	 16384u

static int read_number(const struct sks_ctl *ctl, const char *name, uint32_t max,
		       uint32_t *ret_number)
{
	const char *text = getenv(name);

	if (!text) {
		warnx("%s: no --pid, and no sockets were passed: %s is not set", ctl->verb, name);
		return -ENOENT;
	}
	if (!sks_uint_parse(text, strlen(text), max, ret_number) && *ret_number)
		return 0;
	warnx("%s: %s: \"%s\" is not a number from 1 to %u", ctl->verb, name, text, max);
	return -EINVAL;
}

/* Is the i-th of the names, which ":" separates, the label's? */
static bool is_named(const char *names, uint32_t i, const char *label)
{
	for (; names && i; i--) {
		names = strchr(names, ':');
		names = names ? names + 1 : NULL;
	}
	return names && strcspn(names, ":") == strlen(label) &&
	       strncmp(names, label, strlen(label)) == 0;
}

static bool any_is_named(const char *names, uint32_t n, const char *label)
{
	for (uint32_t i = 0; i < n; i++) {
		if (is_named(names, i, label))
			return true;
	}
	return false;
}

int sks_sockets_passed(const struct sks_ctl *ctl, struct sks_sockets *sockets)
{
	const char *names = getenv("LISTEN_FDNAMES"), *label = ctl->operands[0];
	uint32_t n, pid;
	bool named;
	int err = read_number(ctl, "LISTEN_FDS", MAX_FDS, &n);

	err = err ? err : read_number(ctl, "LISTEN_PID", INT32_MAX, &pid);
	if (err)
		return err;
	if ((pid_t)pid != getpid()) {
		warnx("%s: the sockets of LISTEN_FDS are for process %u, and this is %d", ctl->verb,
		      pid, (int)getpid());
		return -ENOENT;
	}
	if (getrandom(sockets->instance, sizeof(sockets->instance), 0) !=
	    (ssize_t)sizeof(sockets->instance))
		return -EIO;
	named = any_is_named(names, n, label);
	for (uint32_t i = 0; i < n; i++) {
		int fd = -1;

		if (!named || is_named(names, i, label))
			fd = fcntl((int)(FIRST_FD + i), F_DUPFD_CLOEXEC, FIRST_FD);
		else
			continue;
		if (fd < 0) {
			warn("%s: descriptor %u of LISTEN_FDS", ctl->verb, FIRST_FD + i);
			return -EBADF;
		}
		if (sks_sockets_add(ctl, sockets, fd))
			return -ENOMEM;
	}
	return 0;
}
