// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns the bind hooks (bpf/claims.bpf.c) and the trie of the ports that are taken: one set for all
 * namespaces. A helper that starts makes its own, so that what an earlier one left half-done is of
 * no account.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "bpf_load.h"
#include "claims.skel.h"

#define HOOKS	   4
#define CLAIMS_PIN "trie"
#define LACKS	   4 /* things that a kernel may lack */

static struct claims *loaded;
static int links[HOOKS] = { -1, -1, -1, -1 };

static const char *const hook_names[HOOKS] = { "bind4", "bind6", "post4", SKS_CLAIMS_HOOK };

/* What this kernel, or our capabilities, lack is left out, the dearest last. */
static int load(unsigned int without)
{
	struct claims *skel = claims__open();
	int err;

	if (!skel)
		return -errno;
	skel->rodata->reads_late = without < 1;
	skel->rodata->reads_v6only = without < 2;
	skel->rodata->keeps_asked = without < 3;
	skel->rodata->sets_errno = without < LACKS;
	err = claims__load(skel);
	if (err)
		claims__destroy(skel);
	else
		loaded = skel;
	return err;
}

int sks_bpf_claims_load(void)
{
	int err = -EINVAL;

	sks_bpf_quiet(true); /* what one way lacks is no news where another one works */
	for (unsigned int without = 0; err && without <= LACKS; without++) {
		if (without == LACKS)
			sks_bpf_quiet(false);
		sks_bpf_forget();
		err = load(without);
	}
	sks_bpf_quiet(false);
	return err;
}

void sks_bpf_claims_unload(void)
{
	sks_bpf_claims_detach();
	claims__destroy(loaded);
	loaded = NULL;
}

void sks_bpf_claims_detach(void)
{
	for (int i = 0; i < HOOKS; i++) {
		sks_closep(&links[i]);
		links[i] = -1;
	}
}

static const struct bpf_program *hook(int i)
{
	const struct bpf_program *hooks[HOOKS] = { loaded->progs.sks_bind4, loaded->progs.sks_bind6,
						   loaded->progs.sks_post4,
						   loaded->progs.sks_post6 };

	return hooks[i];
}

int sks_bpf_claims_attach(const char *dir, int cgroup)
{
	int err = mkdir(dir, 0750)
			  ? -errno
			  : sks_bpf_pin(bpf_map__fd(loaded->maps.claims), dir, CLAIMS_PIN, "");

	for (int i = 0; !err && i < HOOKS; i++) {
		links[i] = bpf_link_create(bpf_program__fd(hook(i)), cgroup,
					   bpf_program__expected_attach_type(hook(i)), NULL);
		err = links[i] < 0 ? -errno : sks_bpf_pin(links[i], dir, hook_names[i], "");
	}
	if (err) {
		sks_bpf_remove(dir);
		sks_bpf_claims_detach();
	}
	return err;
}

static int bind_as(uint64_t cookie, uint32_t uid, uint8_t proto, const struct sockaddr *addr,
		   bool tries)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;
	const struct sockaddr_in *in = (const struct sockaddr_in *)addr;
	struct sks_ward ward = { .uid = uid, .tries = tries, .proto = proto };

	ward.v6 = addr->sa_family == AF_INET6;
	ward.port = ward.v6 ? in6->sin6_port : in->sin_port;
	if (ward.v6)
		memcpy(ward.addr, &in6->sin6_addr, sizeof(ward.addr));
	else
		memcpy(ward.addr, &in->sin_addr, sizeof(in->sin_addr));
	if (!loaded ||
	    !bpf_map_update_elem(bpf_map__fd(loaded->maps.wards), &cookie, &ward, BPF_ANY))
		return 0;
	return -errno;
}

int sks_bpf_bind_as(uint64_t cookie, uint32_t uid, uint8_t proto, const struct sockaddr *addr)
{
	return bind_as(cookie, uid, proto, addr, false);
}

int sks_bpf_try_as(uint64_t cookie, uint32_t uid, uint8_t proto, const struct sockaddr *addr)
{
	return bind_as(cookie, uid, proto, addr, loaded && loaded->rodata->sets_errno);
}

void sks_bpf_bound(uint64_t cookie)
{
	if (loaded)
		(void)bpf_map_delete_elem(bpf_map__fd(loaded->maps.wards), &cookie);
}

int sks_bpf_put_claim(const struct sks_claim_key *key, const struct sks_claim *claim)
{
	return bpf_map_update_elem(bpf_map__fd(loaded->maps.claims), key, claim, BPF_ANY) ? -errno
											  : 0;
}

void sks_bpf_del_claim(const struct sks_claim_key *key)
{
	(void)bpf_map_delete_elem(bpf_map__fd(loaded->maps.claims), key);
}

static bool is_of(const struct sks_claim_key *key, uint64_t netns)
{
	return (key->netns[0] | (uint64_t)key->netns[1] << 32) == netns;
}

static void filter(int fd, uint64_t netns, sks_claim_keep *keep, void *arg)
{
	struct sks_claim_key key, next;
	bool more = !bpf_map_get_next_key(fd, NULL, &next);

	while (more) {
		key = next;
		more = !bpf_map_get_next_key(fd, &key, &next);
		if (is_of(&key, netns) && (!keep || !keep(arg, &key)))
			(void)bpf_map_delete_elem(fd, &key);
	}
}

void sks_bpf_filter_claims(uint64_t netns, sks_claim_keep *keep, void *arg)
{
	filter(bpf_map__fd(loaded->maps.claims), netns, keep, arg);
}

int sks_bpf_read_cookie(const char *dir, uint64_t *ret_cookie)
{
	struct sks_maps maps;
	int err = sks_bpf_open(dir, false, &maps);

	if (err)
		return err;
	*ret_cookie = maps.ports->head.netns_cookie;
	sks_bpf_close(&maps);
	return 0;
}

void sks_bpf_clear_claims(const char *dir, uint64_t netns)
{
	CLEANUP_FD int fd = sks_bpf_open_pin(dir, CLAIMS_PIN, "", 0);

	if (fd >= 0)
		filter(fd, netns, NULL, NULL);
}
