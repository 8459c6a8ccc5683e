/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what each of the helper's processes keeps (see roles.h). */
#include "roles.h"

#include <poll.h>
#include <signal.h>

#include "confine.h"
#include "filter.h"
#include "holder.h"
#include "inside.h"
#include "kernel.h"
#include "loader.h"
#include "process.h"
#include "stranger.h"

/* What the helper uses as long as it serves. */
static const struct sks_kept judge_keeps[] = {
	SKS_KEEP(CAP_BPF, "steering"),
	SKS_KEEP(CAP_NET_ADMIN,
		 "steering"), /* programs for sockets, and whose namespace one is of */
	SKS_KEEP(CAP_NET_BIND_SERVICE, "opening a port that a user was granted"),
	SKS_KEEP(CAP_NET_RAW, "using a number again"), /* sks_kernel_grace() without a barrier */
};

static const struct sks_kept inside_keeps[] = {
	SKS_KEEP(CAP_SYS_ADMIN, "serving other network namespaces"), /* setns(2) */
	SKS_KEEP(CAP_NET_ADMIN, NULL), /* who opens a socket of sock_diag to end others by */
};

static const struct sks_kept holder_keeps[] = {
	SKS_KEEP(CAP_SYS_PTRACE,
		 "knowing root, and sharing sockets"),		   /* /proc/PID, pidfd_getfd(2) */
	SKS_KEEP(CAP_DAC_READ_SEARCH, "finding who has a socket"), /* /proc/PID/fd */
};

/* As the judge's, which says it if they are missing. */
static const struct sks_kept taker_keeps[] = {
	SKS_KEEP(CAP_NET_BIND_SERVICE, NULL), /* to open a port that a user was granted */
	SKS_KEEP(CAP_BPF, NULL),	      /* to put a socket into a map, before 6.1 */
	SKS_KEEP(CAP_NET_ADMIN, NULL),	      /* to end reply sockets of services that are gone */
};

/* CAP_NET_ADMIN: programs for sockets. */
static const struct sks_kept loader_keeps[] = {
	SKS_KEEP(CAP_BPF, NULL),
	SKS_KEEP(CAP_NET_ADMIN, NULL),
	SKS_KEEP(CAP_PERFMON, NULL),
};

static const struct sks_kept loader_needs[] = {
	SKS_KEEP(CAP_BPF, NULL),
	SKS_KEEP(CAP_NET_ADMIN, NULL),
	SKS_KEEP(CAP_PERFMON, "steering before Linux 6.18"),
};

#define TAKERS	1024 /* processes of the user that the helper runs as */
#define WALK_MS 1000 /* through all descriptors of all processes */

static int confine_inside(void)
{
	return sks_confine_caps(inside_keeps, 2) ?: sks_confine_limits(0) ?: sks_filter_inside();
}

static int confine_holder(void)
{
	(void)sks_holder_limit(WALK_MS);
	return sks_confine_caps(holder_keeps, 2) ?: sks_confine_limits(0) ?: sks_filter_holder();
}

static int confine_takers(void)
{
	(void)signal(SIGCHLD, SIG_IGN); /* nobody waits for them */
	return sks_confine_caps(taker_keeps, 3) ?: sks_confine_limits(TAKERS)
						?: sks_filter_takers();
}

static int confine_loader(void)
{
	return sks_confine_caps(sks_kernel_speculates() ? loader_needs : loader_keeps, 3)
		       ?: sks_confine_limits(0)
		       ?: sks_filter_loader();
}

int sks_roles_start_workers(void)
{
	return sks_worker_start(&sks_inside_worker, confine_inside)
		       ?: sks_worker_start(&sks_process_worker, confine_holder)
		       ?: sks_worker_start(&sks_loader_worker, confine_loader)
		       ?: sks_worker_start(&sks_stranger_worker, confine_takers)
		       ?: sks_strangers_start();
}

int sks_roles_judge(void)
{
	size_t n = sizeof(judge_keeps) / sizeof(*judge_keeps);

	if (sks_kernel_has_barrier())
		n--;
	return sks_confine_caps(judge_keeps, n) ?: sks_confine_limits(0) ?: sks_filter_judge();
}

void sks_roles_mourn(void)
{
	struct sks_worker *workers[] = { &sks_inside_worker, &sks_process_worker,
					 &sks_loader_worker, &sks_stranger_worker };

	for (size_t i = 0; i < sizeof(workers) / sizeof(*workers); i++) {
		struct pollfd end = { .fd = workers[i]->sock };

		if (poll(&end, 1, 0) > 0)
			sks_worker_mourn(workers[i]);
	}
}
