// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns which user answers for a network namespace (see payer.h). */
#include <errno.h>
#include <linux/nsfs.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "inside.h"
#include "payer.h"
#include "space.h"
#include "subids.h"

static bool is_own(int userns)
{
	static struct stat own; /* the helper never leaves its user namespace */
	struct stat st;

	if (!own.st_ino && stat("/proc/self/ns/user", &own))
		return false;
	return !fstat(userns, &st) && st.st_dev == own.st_dev && st.st_ino == own.st_ino;
}

/*
 * Who nests another user namespace in its own may be anybody there: the outermost counts. Those
 * that root has made are of containers that have nothing to do with each other. The kernel's
 * numbers of namespaces begin where no system has uids (0xf0000000).
 */
static uint32_t payer_of_userns(int userns)
{
	CLEANUP_FD int parent = ioctl(userns, NS_GET_PARENT);
	struct stat st;
	uid_t uid;

	if (parent < 0)
		return SKS_PAYER_NONE;
	if (!is_own(parent))
		return payer_of_userns(parent);
	if (ioctl(userns, NS_GET_OWNER_UID, &uid) || fstat(userns, &st))
		return SKS_PAYER_NONE;
	return uid ? sks_subids_owner(uid) : (uint32_t)st.st_ino;
}

uint32_t sks_payer_of_netns(int netns)
{
	CLEANUP_FD int userns = ioctl(netns, NS_GET_USERNS);

	return userns < 0 || is_own(userns) ? SKS_PAYER_NONE : payer_of_userns(userns);
}

uint32_t sks_payer_of_conn(int conn, uint32_t uid)
{
	CLEANUP_FD int netns = -1;
	uint32_t payer = SKS_PAYER_NONE;
	uint64_t ino;

	if (!sks_netns_of_socket(conn, &netns, &ino))
		payer = sks_payer_of_netns(netns);
	return payer == SKS_PAYER_NONE ? sks_subids_owner(uid) : payer;
}

/* Those that users make in user namespaces of theirs: each has its share, all together another. */
int sks_payer_check(const struct sks_spaces *spaces, uint32_t payer)
{
	unsigned int own = 0, users = 0;

	if (spaces->n == SKS_SPACES_MAX)
		return -ENOSPC;
	if (payer == SKS_PAYER_NONE)
		return 0;
	for (size_t i = 0; i < spaces->n; i++) {
		users += spaces->spaces[i]->payer != SKS_PAYER_NONE;
		own += spaces->spaces[i]->payer == payer;
	}
	if (own >= SKS_SPACES_A_USER)
		return -EDQUOT;
	return users < SKS_SPACES_MAX - SKS_SPACES_KEPT ? 0 : -ENOSPC;
}

void sks_payer_learn(struct sks_space *space, int netns)
{
	if (!space->knows_payer)
		space->payer = sks_payer_of_netns(netns);
	space->knows_payer = true;
}
