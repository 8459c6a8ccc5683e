/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the memory of who asked where (see asked.h). */
#include "asked.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "memory.h"
#include "version.h"

#define BUCKETS 16384
#define WAYS	7 /* entries a bucket, so 114 688 in all, in 7 MiB if it is ever full */
#define RECENT	2048

/* One peer's question; entries of other threads and to other ports are entries of their own. */
struct entry {
	struct sks_endpoint peer;
	struct sks_endpoint where;
	uint32_t thread;
	uint32_t when; /* by the bucket's clock */
};

/* Seven lines of a cache. */
struct bucket {
	_Atomic uint32_t version;
	uint32_t clock;
	uint32_t tags[WAYS]; /* hash of peer and port; 0: free */
	struct entry entries[WAYS];
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct bucket) == 448, "seven lines of a cache");

/*
 * By where the server has got the peer's address: a server that answers many at once, from many
 * threads, mostly answers to the very place.
 */
struct recent {
	_Atomic uint32_t version;
	uint16_t port;
	uint16_t reserved;
	const void *name;
	struct sks_endpoint peer, where;
} __attribute__((aligned(64)));

struct shared {
	_Atomic uint32_t processes;
	struct bucket buckets[BUCKETS];
};

struct sks_asked {
	struct shared *shared;
	struct recent recent[RECENT];
	/* In a page of its own, which fork(2) wipes: tells this process's threads from others'. */
	_Alignas(4096) _Atomic uint32_t process;
	char rest[4092];
};

struct sks_asked *sks_asked_map(void)
{
	struct sks_asked *asked = sks_memory_map(sizeof(*asked), MAP_PRIVATE);

	if (!asked)
		return NULL;
	asked->shared = sks_memory_map(sizeof(*asked->shared), MAP_SHARED);
	if (!asked->shared) {
		(void)sks_raw(SYS_munmap, asked, sizeof(*asked));
		return NULL;
	}
	/* Where the kernel can't (before 4.14), a forked child's threads pass for the parent's. */
	(void)sks_raw(SYS_madvise, &asked->process, 4096, MADV_WIPEONFORK);
	return asked;
}

static uint32_t this_thread(struct sks_asked *asked)
{
	uint32_t process = asked->process;

	if (!process)
		asked->process = process = ++asked->shared->processes * 0x9e3779b1u | 1;
	return process ^ (uint32_t)((uintptr_t)__builtin_thread_pointer() >> 4);
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 32;
}

/* Nobody gains by peers that meet in one bucket more than their own answers' ports. */
static uint64_t hash_of(uint16_t port, const struct sks_endpoint *peer)
{
	uint64_t words[3];

	memcpy(words, peer, sizeof(words));
	return mix(mix(mix(port, words[0]), words[1]), words[2]);
}

static uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32) | 1;
}

static struct recent *recent_of(struct sks_asked *asked, const void *name)
{
	return &asked->recent[mix(0, (uintptr_t)name) >> 20 & (RECENT - 1)];
}

static void note_recent(struct sks_asked *asked, uint16_t port, const struct sks_endpoint *peer,
			const struct sks_endpoint *where, const void *name)
{
	struct recent *recent = recent_of(asked, name);

	if (recent->name == name && recent->port == port &&
	    sks_endpoint_equal(&recent->where, where) && sks_endpoint_equal(&recent->peer, peer))
		return;
	if (!sks_version_begin(&recent->version))
		return;
	recent->name = name;
	recent->port = port;
	recent->peer = *peer;
	recent->where = *where;
	sks_version_end(&recent->version);
}

static bool find_recent(struct sks_asked *asked, uint16_t port, const struct sks_endpoint *peer,
			const struct sks_hints *hints, struct sks_endpoint *ret_where)
{
	struct recent *recent = recent_of(asked, hints->name);
	uint32_t version = sks_version_read(&recent->version);
	bool same = recent->name == hints->name && recent->port == port &&
		    sks_endpoint_equal(&recent->peer, peer);
	struct sks_endpoint where = recent->where;

	if (!sks_version_holds(&recent->version, version) || !same)
		return false;
	*ret_where = where;
	return true;
}

static bool is_of(const struct bucket *bucket, int i, uint32_t tag, uint16_t port,
		  const struct sks_endpoint *peer)
{
	struct sks_endpoint wanted = *peer;

	wanted.reserved = port; /* the server's own, beside the peer's */
	return bucket->tags[i] == tag && sks_endpoint_equal(&bucket->entries[i].peer, &wanted);
}

/* Later by a clock that goes round. */
static bool is_later(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

/* The entry to write: the very same, else a free one, else the one that is oldest. */
static int place_for(const struct bucket *bucket, uint32_t tag, uint16_t port,
		     const struct entry *entry, bool *ret_known)
{
	int oldest = 0, is_free = -1;

	*ret_known = false;
	for (int i = 0; i < WAYS; i++) {
		const struct entry *other = &bucket->entries[i];

		if (!bucket->tags[i]) {
			is_free = i;
			continue;
		}
		if (is_of(bucket, i, tag, port, &entry->peer)) {
			*ret_known = true;
			if (other->thread == entry->thread &&
			    sks_endpoint_equal(&other->where, &entry->where))
				return i;
		}
		if (is_later(bucket->entries[oldest].when, other->when) || !bucket->tags[oldest])
			oldest = i;
	}
	return is_free >= 0 ? is_free : oldest;
}

/* Is it what came last of all, so that there is nothing to write? Seldom wrong, and then harmless.
 */
static bool is_noted(struct bucket *bucket, uint32_t tag, uint16_t port, const struct entry *entry)
{
	uint32_t version = sks_version_read(&bucket->version);
	bool noted = false;

	for (int i = 0; !noted && i < WAYS; i++) {
		const struct entry *other = &bucket->entries[i];

		noted = other->when == bucket->clock && other->thread == entry->thread &&
			is_of(bucket, i, tag, port, &entry->peer) &&
			sks_endpoint_equal(&other->where, &entry->where);
	}
	return sks_version_holds(&bucket->version, version) && noted;
}

void sks_asked_note(struct sks_asked *asked, uint16_t port, const struct sks_endpoint *peer,
		    const struct sks_endpoint *where, const void *name, bool needed)
{
	uint64_t hash = hash_of(port, peer);
	struct bucket *bucket = &asked->shared->buckets[hash & (BUCKETS - 1)];
	struct entry entry = { *peer, *where, this_thread(asked), 0 };
	uint32_t tag = tag_of(hash);
	bool known;
	int i;

	if (name)
		note_recent(asked, port, peer, where, name);
	if (is_noted(bucket, tag, port, &entry) || !sks_version_begin(&bucket->version))
		return;
	i = place_for(bucket, tag, port, &entry, &known);
	if (known || needed) {
		entry.peer.reserved = port;
		entry.when = ++bucket->clock;
		bucket->tags[i] = tag;
		bucket->entries[i] = entry;
	}
	sks_version_end(&bucket->version);
}

/* A bucket's best answer; sks_version_holds() says whether it is to be believed. */
static bool find(const struct bucket *bucket, uint32_t tag, uint16_t port,
		 const struct sks_endpoint *peer, const struct sks_hints *hints, uint32_t thread,
		 struct sks_endpoint *ret_where)
{
	const struct entry *best = NULL;

	for (int i = 0; i < WAYS; i++) {
		const struct entry *entry = &bucket->entries[i];

		if (!is_of(bucket, i, tag, port, peer))
			continue;
		if (hints->has_source && !sks_endpoint_same_address(&entry->where, &hints->source))
			continue;
		if (best && (best->thread == thread) != (entry->thread == thread)) {
			if (entry->thread == thread)
				best = entry;
			continue;
		}
		if (!best || is_later(entry->when, best->when))
			best = entry;
	}
	if (best)
		*ret_where = best->where;
	return best;
}

bool sks_asked_find(struct sks_asked *asked, uint16_t port, const struct sks_endpoint *peer,
		    const struct sks_hints *hints, struct sks_endpoint *ret_where)
{
	uint64_t hash = hash_of(port, peer);
	struct bucket *bucket = &asked->shared->buckets[hash & (BUCKETS - 1)];
	struct sks_endpoint where = { .port = 0 };
	uint32_t thread = this_thread(asked), version;
	bool found = hints->name && find_recent(asked, port, peer, hints, &where) &&
		     (!hints->has_source || sks_endpoint_same_address(&where, &hints->source));

	if (found) {
		*ret_where = where;
		return true;
	}
	for (int tries = 0; tries < SKS_VERSION_SPINS; tries++) {
		version = sks_version_read(&bucket->version);
		found = find(bucket, tag_of(hash), port, peer, hints, thread, &where);
		if (sks_version_holds(&bucket->version, version)) {
			if (found)
				*ret_where = where;
			return found;
		}
	}
	return false;
}
