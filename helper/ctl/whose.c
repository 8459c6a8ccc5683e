/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns which processes are the new instance, and which the old one. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "upgrade.h"

/* Keeps the holders that descend from us, or those that do not. */
static int sort_holders(struct sks_holders *holders, bool ours)
{
	const pid_t self = getpid();
	struct sks_pids pids;
	size_t kept = 0;
	int err = sks_descendants(&self, 1, &pids);

	if (err)
		return err;
	for (size_t i = 0; i < holders->n; i++) {
		pid_t pid = holders->list[i].pid;

		/* An init that has handed the socket to its service is no part of that. */
		if (sks_pids_have(&pids, pid) == ours && pid != self && pid != 1)
			holders->list[kept++] = holders->list[i];
	}
	holders->n = kept;
	free(pids.list);
	return 0;
}

int sks_upgrade_holders(const struct sks_seen *seen, bool ours, struct sks_holders *ret_holders)
{
	uint32_t *inodes = sks_seen_inodes(seen);
	struct sks_holders holders = { 0 };
	int err = inodes ? sks_holders_find(inodes, seen->n, &holders) : -ENOMEM;

	if (!err)
		err = sort_holders(&holders, ours);
	free(inodes);
	if (err)
		free(holders.list);
	else
		*ret_holders = holders;
	return err;
}

pid_t sks_upgrade_holder(const struct sks_seen *seen, bool ours)
{
	struct sks_holders holders;
	pid_t pid = 0;

	if (sks_upgrade_holders(seen, ours, &holders))
		return 0;
	if (holders.n)
		pid = sks_holders_top(&holders, holders.list[0].pid);
	free(holders.list);
	return pid;
}

static int remove_ours(struct sks_pids *pids)
{
	const pid_t self = getpid();
	struct sks_pids ours;
	size_t kept = 0;
	int err = sks_descendants(&self, 1, &ours);

	if (err)
		return err;
	for (size_t i = 0; i < pids->n; i++) {
		if (!sks_pids_have(&ours, pids->list[i]))
			pids->list[kept++] = pids->list[i];
	}
	pids->n = kept;
	free(ours.list);
	return 0;
}

int sks_upgrade_old_processes(const struct sks_upgrade *upgrade, struct sks_pids *ret_pids)
{
	struct sks_holders holders = { 0 };
	struct sks_pids pids = { 0 }, all;
	int err = sks_upgrade_holders(&upgrade->old, false, &holders);

	if (err)
		return err;
	pids.list = calloc(holders.n + 1, sizeof(*pids.list));
	for (size_t i = 0; pids.list && i < holders.n; i++)
		pids.list[pids.n++] = holders.list[i].pid;
	err = pids.list ? sks_descendants(pids.list, pids.n, &all) : -ENOMEM;
	free(holders.list);
	free(pids.list);
	if (err)
		return err;
	err = remove_ours(&all); /* a server may have started us */
	if (err)
		free(all.list);
	else
		*ret_pids = all;
	return err;
}
