/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the kernel's part of state_fuzz.c: helper/bpf.h over plain memory. At any call the helper
 * may be "killed": what lies in the maps then is what the next one will find.
 */
#ifndef SKSTEER_FAKE_BPF_H
#define SKSTEER_FAKE_BPF_H

#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../helper/enter.h"
#include "../../helper/kernel.h"
#include "../../helper/log.h"
#include "../../helper/stranger.h"
#include "fake_maps.h"

#define FAKE_INO 7u

static uint64_t fake_calls, fake_kill_at; /* 0: never */
static bool fake_killed;
static struct fake_image fake_corpse; /* when it was */

static void fake_kill(void)
{
	if (!fake_killed)
		fake_save(&fake_corpse);
	fake_killed = true;
}

/* Every function of the layer begins with it. */
static void fake_call(void)
{
	if (++fake_calls == fake_kill_at)
		fake_kill();
}

static uint64_t *fake_socket(uint32_t slot)
{
	return (uint64_t *)fake.memory[SKS_MAP_SOCKETS] + slot;
}

/* --- helper/bpf.h ------------------------------------------------------------------------------- */

static void fake_fill(struct sks_maps *ret_maps)
{
	*ret_maps = (struct sks_maps){ .link = -1 };
	for (int i = 0; i < SKS_MAP_COUNT; i++) {
		ret_maps->fd[i] = -1;
		ret_maps->entries[i] = fake.entries[i];
		if (i != SKS_MAP_SOCKETS)
			ret_maps->memory[i] = fake.memory[i];
	}
	ret_maps->generation = ret_maps->ports->head.generation & ~1u;
	ret_maps->ports->head.generation = ret_maps->generation;
}

int sks_bpf_create(const char *dir, int netns, struct sks_maps *ret_maps)
{
	struct sks_head head = { .magic = SKS_MAGIC, .layout = SKS_LAYOUT };

	(void)netns;
	CHECK(!mkdir(dir, 0700));
	fake.pinned = true;
	memcpy(fake.memory[SKS_MAP_PORTS], &head, sizeof(head));
	fake_fill(ret_maps);
	return 0;
}

int sks_bpf_open(const char *dir, bool writable, struct sks_maps *ret_maps)
{
	(void)dir;
	(void)writable;
	if (!fake.pinned)
		return -ENOENT;
	fake_fill(ret_maps);
	return 0;
}

int sks_bpf_peek(const char *dir, uint32_t *ret_layout, uint64_t *ret_ino)
{
	(void)dir;
	*ret_layout = SKS_LAYOUT;
	*ret_ino = FAKE_INO;
	return fake.pinned ? 0 : -ENOENT;
}

void sks_bpf_close(struct sks_maps *maps)
{
	*maps = (struct sks_maps){};
}

void sks_bpf_remove(const char *dir)
{
	(void)rmdir(dir);
	fake.pinned = false;
}

int sks_bpf_renew_sockets(const char *dir, struct sks_maps *maps)
{
	(void)dir;
	(void)maps;
	fake_call();
	return 0;
}

int sks_bpf_refresh(const char *dir, struct sks_maps *maps)
{
	(void)dir;
	(void)maps;
	return 0;
}

static void fake_grow(struct sks_maps *maps, int i, uint32_t entries)
{
	fake_resize(i, entries);
	maps->entries[i] = entries;
}

int sks_bpf_grow(const char *dir, struct sks_maps *maps, enum sks_map map, uint32_t entries)
{
	(void)dir;
	fake_call();
	if (entries > fake_maps[map].max || entries > 4 * fake_maps[map].first)
		return -ENOSPC;
	fake_grow(maps, map, entries);
	if (map == SKS_MAP_RULES4)
		fake_grow(maps, SKS_MAP_RULES6, entries);
	if (map == SKS_MAP_SLOTS)
		fake_grow(maps, SKS_MAP_SOCKETS, entries);
	if (map == SKS_MAP_DESTS) {
		fake_grow(maps, SKS_MAP_HEADS, 2 * entries);
		fake_grow(maps, SKS_MAP_COUNTERS, 2 * entries);
	}
	fake_call();
	return 0;
}

int sks_bpf_netns(const struct sks_maps *maps, uint64_t *ret_ino)
{
	(void)maps;
	*ret_ino = FAKE_INO;
	return 0;
}

const char *sks_bpf_why(void)
{
	return "";
}

void sks_bpf_forget(void)
{
}

/* A descriptor is the socket's cookie here. */
int sks_bpf_put_socket(const struct sks_maps *maps, uint32_t slot, int sock)
{
	fake_call();
	CHECK(slot && slot < maps->entries[SKS_MAP_SOCKETS]);
	*fake_socket(slot) = (uint64_t)sock;
	return 0;
}

int sks_bpf_del_socket(const struct sks_maps *maps, uint32_t slot)
{
	fake_call();
	CHECK(slot < maps->entries[SKS_MAP_SOCKETS]);
	*fake_socket(slot) = 0;
	return 0;
}

void sks_bpf_empty(const struct sks_maps *maps)
{
	(void)maps;
	fake_call();
}

int sks_bpf_put_head(const struct sks_maps *maps, uint32_t head, int sock)
{
	(void)sock;
	fake_call();
	CHECK(head < maps->entries[SKS_MAP_HEADS]);
	return 0;
}

void sks_bpf_del_head(const struct sks_maps *maps, uint32_t head)
{
	fake_call();
	CHECK(head < maps->entries[SKS_MAP_HEADS]);
}

int sks_bpf_copy_heads(const struct sks_maps *maps, const struct sks_head_copy *copies, size_t n)
{
	fake_call();
	for (size_t i = 0; i < n; i++)
		CHECK(copies[i].slot < maps->entries[SKS_MAP_SOCKETS] &&
		      copies[i].head < maps->entries[SKS_MAP_HEADS]);
	return 0;
}

int sks_bpf_cookie(const struct sks_maps *maps, uint32_t slot, uint64_t *ret_cookie)
{
	CHECK(slot < maps->entries[SKS_MAP_SOCKETS]);
	*ret_cookie = *fake_socket(slot);
	return *ret_cookie ? 0 : -ENOENT;
}

const uint64_t *sks_bpf_census(struct sks_maps *maps, uint32_t n)
{
	static uint64_t words[SKS_MAX_SLOTS / SKS_CENSUS_STEP];

	CHECK(n <= maps->entries[SKS_MAP_SOCKETS]);
	memset(words, 0, sizeof(words));
	for (uint32_t i = 0; i < n; i++)
		words[i / SKS_CENSUS_STEP] |= (uint64_t) !!*fake_socket(i) << i % SKS_CENSUS_STEP;
	return words;
}

static size_t fake_find(uint32_t rule, const struct sks_prefix *prefix)
{
	size_t i = 0;

	while (i < fake.n_entries &&
	       (fake.trie[i].rule != rule || !sks_prefix_equal(&fake.trie[i].prefix, prefix)))
		i++;
	return i;
}

int sks_bpf_put_prefix(const struct sks_maps *maps, uint32_t rule, const struct sks_prefix *prefix,
		       uint32_t dest)
{
	size_t i = fake_find(rule, prefix);

	(void)maps;
	fake_call();
	if (i == FAKE_ENTRIES)
		return -ENOSPC;
	fake.trie[i] = (struct fake_entry){ rule, *prefix, dest };
	fake.n_entries += i == fake.n_entries;
	return 0;
}

int sks_bpf_del_prefix(const struct sks_maps *maps, uint32_t rule, const struct sks_prefix *prefix)
{
	size_t i = fake_find(rule, prefix);

	(void)maps;
	fake_call();
	if (i == fake.n_entries)
		return -ENOENT;
	fake.trie[i] = fake.trie[--fake.n_entries];
	return 0;
}

int sks_bpf_filter_prefixes(const struct sks_maps *maps,
			    bool (*keep)(void *arg, uint32_t rule, const struct sks_prefix *prefix,
					 uint32_t dest),
			    void *arg)
{
	(void)maps;
	fake_call();
	for (size_t i = fake.n_entries; i-- > 0;) {
		if (!keep(arg, fake.trie[i].rule, &fake.trie[i].prefix, fake.trie[i].dest))
			fake.trie[i] = fake.trie[--fake.n_entries];
	}
	return 0;
}

int sks_bpf_counter(const struct sks_maps *maps, uint32_t dest, uint32_t family,
		    struct sks_counter *ret_sum)
{
	fake_call();
	CHECK(dest * 2 + family < maps->entries[SKS_MAP_COUNTERS]);
	*ret_sum = (struct sks_counter){ .steered = dest };
	return 0;
}

int sks_bpf_clear_counters(const struct sks_maps *maps, uint32_t dest)
{
	fake_call();
	CHECK(dest * 2 + 1 < maps->entries[SKS_MAP_COUNTERS]);
	return 0;
}

/* --- claims: of all namespaces, and remade by each helper; nothing is read back but the cookie
 * ---- */

int sks_bpf_claims_load(void)
{
	return 0;
}

void sks_bpf_claims_unload(void)
{
}

int sks_bpf_claims_attach(const char *dir, int cgroup)
{
	(void)dir;
	(void)cgroup;
	return 0;
}

void sks_bpf_claims_detach(void)
{
}

int sks_bpf_bind_as(uint64_t cookie, uint32_t uid, uint8_t proto, const struct sockaddr *addr)
{
	(void)cookie;
	(void)uid;
	(void)proto;
	(void)addr;
	return 0;
}

int sks_bpf_try_as(uint64_t cookie, uint32_t uid, uint8_t proto, const struct sockaddr *addr)
{
	return sks_bpf_bind_as(cookie, uid, proto, addr);
}

void sks_bpf_bound(uint64_t cookie)
{
	(void)cookie;
}

int sks_bpf_put_claim(const struct sks_claim_key *key, const struct sks_claim *claim)
{
	(void)claim;
	fake_call();
	CHECK(key->prefixlen <= 8 * (sizeof(*key) - sizeof(key->prefixlen)));
	return 0;
}

void sks_bpf_del_claim(const struct sks_claim_key *key)
{
	fake_call();
	CHECK(key->prefixlen <= 8 * (sizeof(*key) - sizeof(key->prefixlen)));
}

void sks_bpf_filter_claims(uint64_t netns, sks_claim_keep *keep, void *arg)
{
	(void)netns;
	(void)keep;
	(void)arg;
	fake_call();
}

void sks_bpf_clear_claims(const char *dir, uint64_t netns)
{
	(void)dir;
	(void)netns;
}

int sks_bpf_read_cookie(const char *dir, uint64_t *ret_cookie)
{
	(void)dir;
	*ret_cookie = 0;
	return 0;
}

/* --- beside it ---------------------------------------------------------------------------------- */

void sks_kernel_grace(void)
{
	fake_call();
}

int sks_stranger_put(const struct sks_maps *maps, uint32_t slot, int sock)
{
	return sks_bpf_put_socket(maps, slot, sock);
}

bool sks_stranger_is_ours(int sock)
{
	(void)sock;
	return true;
}

/* Nobody is in the namespace, so there are no reply sockets to end. */
int sks_enter_known(struct sks_space *space)
{
	(void)space;
	return -ESRCH;
}

int sks_enter(struct sks_space *space)
{
	return sks_enter_known(space);
}

int sks_stranger_abort(const struct sks_reply_socket *reply, uint32_t payer, int netlink)
{
	(void)reply;
	(void)payer;
	(void)netlink;
	return 0;
}

static void fake_log(const char *format, va_list args)
{
	char line[1024];

	CHECK(vsnprintf(line, sizeof(line), format, args) >= 0);
}

void sks_log(int priority, const char *format, ...)
{
	va_list args;

	(void)priority;
	va_start(args, format);
	fake_log(format, args);
	va_end(args);
}

void sks_log_of(uint32_t uid, int priority, const char *format, ...)
{
	va_list args;

	(void)uid;
	(void)priority;
	va_start(args, format);
	fake_log(format, args);
	va_end(args);
}

#endif
