/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns taking ports: the bind hooks of the machine, and that the claims which they go by are those
 * of the exclusive routes. What the hooks need of the kernel may be missing: then all of this does
 * nothing, and ports are only looked at when they are registered.
 */
#ifndef SKSTEER_CLAIMS_H
#define SKSTEER_CLAIMS_H

#include "resolve.h"

/*
 * Loads the hooks, which are attached with the first claim and until the last namespace is left:
 * before CAP_SYS_ADMIN is dropped, which opens the cgroups and reads IPV6_V6ONLY.
 * dir: of the pins, on a bpffs. Where it is not possible one line in the log says why.
 */
void sks_claims_open(const char *dir);
/* All namespaces of an earlier helper have been taken up: what it had pinned is of no use now. */
void sks_claims_took_up(void);
/* The pins stay. */
void sks_claims_close(void);

/*
 * Adds the claims that the next state has and the current one lacks, before anybody looks which
 * sockets are there: whoever binds later is refused, whoever has bound before is seen. ranges: by
 * protocol, those that the change may touch; next: the next state's routes there. 0 or -ENOMEM.
 */
int sks_claims_take(struct sks_space *space, const struct sks_ranges *ranges,
		    const struct sks_routes *next);
/* The next state has become the current one, and what ended is free; or it has been forgotten. */
void sks_claims_settle(struct sks_space *space, bool committed);
/* Makes them what the current state says, whatever they were. */
void sks_claims_sync(struct sks_space *space);
/*
 * Looks which ports the kernel gives to clients, by a descriptor of the namespace, and lets ranges
 * yield there. 0 or -errno.
 */
int sks_claims_see_local(struct sks_space *space, int netns);

/* The namespace is left; last: no other one is there. */
void sks_claims_drop(struct sks_space *space, bool last);
/* The same without a helper: of the namespace whose pins lie in space_dir. */
void sks_claims_unload(const char *dir, const char *space_dir);

/* Is what has been taken by now refused to others? */
bool sks_claims_work(const struct sks_space *space);
/* The same as its pins say, also without a helper. */
bool sks_claims_hold(const struct sks_space *space);

#endif
