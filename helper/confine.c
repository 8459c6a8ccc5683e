/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what a process of the helper gives up (see confine.h), but for its filter (filter.h). */
#include "confine.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "log.h"
#include "sanitized.h"

/* Of those that the process has, as a set of 1 << i. */
static uint32_t keep(const struct sks_kept *kept, size_t n)
{
	uint32_t has = 0;

	for (size_t i = 0; i < n; i++) {
		if (capng_have_capability(CAPNG_EFFECTIVE, kept[i].cap))
			has |= 1u << i;
		else if (kept[i].what)
			sks_log(SKS_LOG_WARNING, "started without %s: %s is not possible",
				kept[i].name, kept[i].what);
	}
	return has;
}

int sks_confine_caps(const struct sks_kept *kept, size_t n)
{
	capng_select_t sets = CAPNG_SELECT_CAPS;
	uint32_t has;

	if (capng_get_caps_process())
		return -EINVAL;
	has = keep(kept, n);
	/* Otherwise that is for whoever starts us; with no_new_privs it makes no difference. */
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		sets |= CAPNG_SELECT_BOUNDS;
	capng_clear(CAPNG_SELECT_ALL);
	for (size_t i = 0; i < n; i++) {
		if (has & 1u << i &&
		    capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, kept[i].cap))
			return -EINVAL;
	}
	/* The ambient set follows the inheritable one, which is empty now. */
	return capng_apply(sets) ? -EPERM : 0;
}

static int limit(int resource, rlim_t most)
{
	const struct rlimit limits = { most, most };

	return setrlimit(resource, &limits) ? -errno : 0;
}

int sks_confine_limits(rlim_t processes)
{
	int err = limit(RLIMIT_CORE, 0) ?: limit(RLIMIT_NPROC, processes);

	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = -errno;
	/* LeakSanitizer looks at us by ptrace(2), from a process that has no more rights. */
	if (!err && !SKS_SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		err = -errno;
	return err;
}
