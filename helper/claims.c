// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns taking ports: the bind hooks, and the claims that they go by (see claims.h). */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "cgroup.h"
#include "claim_set.h"
#include "claims.h"
#include "exclusive.h"
#include "inside.h"
#include "log.h"

#define PINS  "claims"
#define FRESH "-new" /* behind it, until they are the only ones */

static struct {
	char dir[256];	 /* of the hooks' pins */
	char fresh[264]; /* the same until it is the only one */
	int cgroup;	 /* -1: no port can be taken here */
	bool attached;
	bool taking_up; /* an earlier helper's hooks are there as well, and do their work */
	bool short_said;
} hooks = { .cgroup = -1 };

static bool can_take(const struct sks_space *space)
{
	return hooks.cgroup >= 0 && space->maps.ports->head.netns_cookie;
}

static int pins_path(const char *dir, char *buf, size_t size)
{
	int len = snprintf(buf, size, "%s/" PINS, dir);

	return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}

/* --- the hooks -------------------------------------------------------------------------------- */

static void give_up(const char *what, int err)
{
	const char *why = sks_bpf_why();

	sks_log(SKS_LOG_WARNING,
		"ports are looked at when they are registered, but not taken: whoever binds them "
		"later may, and gets no traffic (%s: %s%s%s)",
		what, strerror(-err), *why ? ": " : "", why);
	sks_closep(&hooks.cgroup);
	hooks.cgroup = -1;
}

/* Claims are of a namespace, which the hooks know by its cookie. */
static bool has_cookies(void)
{
	CLEANUP_FD int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return sock >= 0 && sks_netns_cookie(sock);
}

void sks_claims_open(const char *dir)
{
	int err = pins_path(dir, hooks.dir, sizeof(hooks.dir));

	if (err)
		return;
	(void)snprintf(hooks.fresh, sizeof(hooks.fresh), "%s" FRESH, hooks.dir);
	hooks.taking_up = true;
	hooks.cgroup = sks_cgroup_open();
	if (hooks.cgroup < 0) {
		give_up("the root of the cgroups", hooks.cgroup);
		return;
	}
	err = sks_bpf_claims_load();
	if (err)
		give_up("the bind hooks", err);
	else if (!has_cookies())
		give_up("namespaces have cookies since Linux 5.14", -ENOPROTOOPT);
}

/* Ours are the only ones. */
static void adopt(void)
{
	sks_bpf_remove(hooks.dir);
	if (!hooks.attached)
		sks_bpf_remove(hooks.fresh); /* of a helper that died right here */
	else if (rename(hooks.fresh, hooks.dir))
		sks_log(SKS_LOG_ERR, "%s: %s", hooks.fresh, strerror(errno));
}

void sks_claims_took_up(void)
{
	hooks.taking_up = false;
	adopt();
}

static void attach(void)
{
	int err;

	if (hooks.attached)
		return;
	sks_bpf_remove(hooks.fresh); /* of a helper that died at it */
	err = sks_bpf_claims_attach(hooks.fresh, hooks.cgroup);
	if (err) {
		give_up("attaching the bind hooks", err);
		return;
	}
	hooks.attached = true;
	if (!hooks.taking_up)
		adopt();
}

static void detach(void)
{
	sks_bpf_claims_detach();
	sks_bpf_remove(hooks.fresh);
	sks_bpf_remove(hooks.dir);
	hooks.attached = false;
}

void sks_claims_close(void)
{
	if (hooks.cgroup < 0)
		return;
	sks_bpf_claims_unload();
	sks_closep(&hooks.cgroup);
	hooks.cgroup = -1;
}

bool sks_claims_work(const struct sks_space *space)
{
	return can_take(space) && hooks.attached;
}

bool sks_claims_hold(const struct sks_space *space)
{
	char path[sizeof(space->dir) + 16];
	const char *slash = strrchr(space->dir, '/');

	if (!slash || !space->maps.ports->head.netns_cookie)
		return false;
	(void)snprintf(path, sizeof(path), "%.*s/" PINS "/" SKS_CLAIMS_HOOK,
		       (int)(slash - space->dir), space->dir);
	return !access(path, F_OK);
}

/* --- the claims ------------------------------------------------------------------------------- */

/* Beyond what there is room for ports are not taken; that is no reason to refuse a server. */
static void put(const struct sks_claim_key *key, const struct sks_claim *claim)
{
	int err = sks_bpf_put_claim(key, claim);

	if (!err || hooks.short_said)
		return;
	hooks.short_said = true;
	sks_log(SKS_LOG_WARNING, "no room for more ports to be taken: %s", strerror(-err));
}

/* The namespace's own: also what its bind hooks know of the ports that the kernel draws. */
static void put_space(struct sks_space *space)
{
	struct sks_claim_key key = sks_claim_space_key(space);
	struct sks_range local = sks_local_ports(space);
	struct sks_claim claim = { local.first | local.last << 16, SKS_CLAIM_NOBODYS };

	put(&key, &claim);
	space->claims.any = true;
}

static bool is_new(const struct sks_claim_change *change)
{
	return change->next.made &&
	       (!change->now.made ||
		memcmp(&change->now.claim, &change->next.claim, sizeof(change->now.claim)) != 0);
}

static int keep_log(struct sks_space *space, const struct sks_claim_set *set)
{
	size_t n = space->claims.n + set->n;
	struct sks_claim_change *more = reallocarray(space->claims.log, n, sizeof(*more));

	if (!more)
		return -ENOMEM;
	memcpy(more + space->claims.n, set->list, set->n * sizeof(*more));
	space->claims.log = more;
	space->claims.n = n;
	return 0;
}

int sks_claims_take(struct sks_space *space, const struct sks_ranges *ranges,
		    const struct sks_routes *next)
{
	struct sks_scope scope = { .ranges = ranges };
	struct sks_claim_set set = {};
	struct sks_routes now = {};
	struct sks_verdict verdict;
	int err;

	if (!can_take(space))
		return 0;
	err = sks_routes_resolve(space, sks_epoch(&space->maps), scope, NULL, &now, &verdict)
		      ?: sks_claim_set_make(space, &now, next, &set);
	if (!err && set.n)
		err = keep_log(space, &set);
	space->claims.stale |= set.cut;
	for (size_t i = 0; !err && i < set.n; i++) {
		if (!is_new(&set.list[i]))
			continue;
		attach();
		if (!space->claims.any && can_take(space))
			put_space(space);
		if (can_take(space))
			put(&set.list[i].key, &set.list[i].next.claim);
	}
	free(set.list);
	sks_routes_free(&now);
	return err;
}

void sks_claims_settle(struct sks_space *space, bool committed)
{
	for (size_t i = space->claims.n; can_take(space) && i-- > 0;) {
		const struct sks_claim_change *change = &space->claims.log[i];
		const struct sks_claim_side *side = committed ? &change->next : &change->now;

		if (!side->made)
			sks_bpf_del_claim(&change->key);
		else if (!committed && is_new(change))
			put(&change->key, &side->claim);
	}
	free(space->claims.log);
	space->claims.log = NULL;
	space->claims.n = 0;
	if (space->claims.stale)
		sks_claims_sync(space);
}

static bool is_due(void *arg, const struct sks_claim_key *key)
{
	const struct sks_claim_set *set = arg;

	return key->prefixlen == SKS_CLAIM_SPACE || sks_claim_set_find(set, key);
}

void sks_claims_sync(struct sks_space *space)
{
	struct sks_routes none = {}, routes = {};
	struct sks_claim_set set = {};
	struct sks_verdict verdict;

	if (!can_take(space))
		return;
	space->claims.stale = false;
	if (sks_routes_resolve(space, sks_epoch(&space->maps), (struct sks_scope){}, NULL, &routes,
			       &verdict) ||
	    sks_claim_set_make(space, &none, &routes, &set)) {
		space->claims.stale = true; /* memory is short: the next change tries again */
		goto out;
	}
	if (set.n)
		attach();
	if (!can_take(space))
		goto out;
	if (set.n || space->claims.any)
		put_space(space);
	for (size_t i = 0; i < set.n; i++)
		put(&set.list[i].key, &set.list[i].next.claim);
	if (space->claims.any)
		sks_bpf_filter_claims(space->maps.ports->head.netns_cookie, is_due, &set);
out:
	free(set.list);
	sks_routes_free(&routes);
}

int sks_claims_see_local(struct sks_space *space, int netns)
{
	int seen = sks_local_ports_see(space, netns);

	if (seen > 0)
		sks_claims_sync(space);
	return seen < 0 ? seen : 0;
}

void sks_claims_drop(struct sks_space *space, bool last)
{
	if (can_take(space) && space->claims.any)
		sks_bpf_filter_claims(space->maps.ports->head.netns_cookie, NULL, NULL);
	free(space->claims.log);
	if (last && *hooks.dir)
		detach();
}

static bool has_spaces(const char *dir)
{
	DIR *list = opendir(dir);
	struct dirent *entry;
	bool any = false;

	while (list && !any && (entry = readdir(list)))
		any = !strncmp(entry->d_name, "net-", 4);
	if (list)
		(void)closedir(list);
	return any;
}

void sks_claims_unload(const char *dir, const char *space_dir)
{
	char path[256], fresh[sizeof(path) + sizeof(FRESH)];
	uint64_t cookie;

	if (pins_path(dir, path, sizeof(path)))
		return;
	if (!sks_bpf_read_cookie(space_dir, &cookie))
		sks_bpf_clear_claims(path, cookie);
	sks_bpf_remove(space_dir);
	if (has_spaces(dir))
		return;
	sks_bpf_remove(path);
	(void)snprintf(fresh, sizeof(fresh), "%s" FRESH, path);
	sks_bpf_remove(fresh);
}
