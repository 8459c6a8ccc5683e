/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the memory of who asked where (see asked.h). */
#include "asked.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "memory.h"
#include "version.h"

#define BUCKETS 16384
#define WAYS	7   /* entries a bucket, so 114 688 in all, in 8 MiB if it is ever full */
#define RECENT	512 /* sets of places, ... */
#define PLACES	4   /* so many each */

/* One peer's question; entries of other threads and to other ports are entries of their own. */
struct entry {
	struct sks_endpoint peer;
	struct sks_endpoint where;
	uint32_t thread; /* that received it last, or answered */
	uint32_t when;	 /* by the bucket's clock */
	uint32_t check;	 /* of peer and where */
	uint32_t open;	 /* so many of its datagrams nobody has answered yet */
};

struct bucket {
	_Atomic uint32_t version;
	uint32_t clock;
	uint32_t tags[WAYS]; /* hash of peer and port; 0: free */
	struct entry entries[WAYS];
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct bucket) == 512, "eight lines of a cache");

/*
 * By where the server has got the peer's address: a server that answers many at once, from many
 * threads, mostly answers to the very place.
 */
struct recent {
	_Atomic uint32_t version;
	uint16_t port;
	_Atomic uint16_t when; /* by the clock of all of them */
	_Atomic bool answered; /* and so not to be trusted where the peer has asked anew */
	uint32_t check;
	uint32_t asked; /* entry.when of the same question, or 0 */
	const void *name;
	struct sks_endpoint peer, where;
} __attribute__((aligned(64)));

struct shared {
	_Atomic uint32_t processes, turn;
	struct bucket buckets[BUCKETS];
};

struct sks_asked {
	struct shared *shared;
	struct recent recent[RECENT][PLACES];
	_Atomic uint16_t clock;
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

_Atomic uint32_t *sks_asked_turn(struct sks_asked *asked)
{
	return &asked->shared->turn;
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

/*
 * Two may have written one record at a time: where the first is stopped for so long that the second
 * takes it for dead. What they have mixed up is nobody's.
 */
static uint32_t check_of(const struct sks_endpoint *peer, const struct sks_endpoint *where)
{
	return (uint32_t)(hash_of(0, peer) * 31 + hash_of(1, where)) | 1;
}

static uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32) | 1;
}

/* Places of a batch are mostly neighbours, or as far apart as its buffers. */
static struct recent *set_of(struct sks_asked *asked, const void *name)
{
	uintptr_t at = (uintptr_t)name >> 4;

	return asked->recent[(at ^ at >> 9 ^ at >> 18) & (RECENT - 1)];
}

static struct recent *find_place(struct recent *set, const void *name)
{
	for (int i = 0; i < PLACES; i++) {
		if (set[i].name == name)
			return &set[i];
	}
	return NULL;
}

/* A batch may come back to one set: what came last stays. */
static struct recent *oldest_place(struct sks_asked *asked, struct recent *set)
{
	struct recent *oldest = &set[0];
	uint16_t now = asked->clock;

	for (int i = 1; i < PLACES; i++) {
		if ((uint16_t)(now - set[i].when) > (uint16_t)(now - oldest->when))
			oldest = &set[i];
	}
	return oldest;
}

static void note_recent(struct sks_asked *asked, uint16_t port, const struct entry *entry,
			const void *name)
{
	struct recent *set = set_of(asked, name), *recent = find_place(set, name);
	bool broken;

	if (!recent)
		recent = oldest_place(asked, set);
	recent->when = ++asked->clock;
	if (!sks_version_begin(&recent->version, &broken))
		return;
	recent->name = name;
	recent->port = port;
	recent->peer = entry->peer;
	recent->where = entry->where;
	recent->asked = entry->when;
	recent->check = check_of(&entry->peer, &entry->where);
	recent->answered = false;
	sks_version_end(&recent->version);
}

/* *ret_asked: entry.when of the question, if it has been answered before, else 0. */
static bool find_recent(struct sks_asked *asked, uint16_t port, const struct sks_endpoint *peer,
			const struct sks_hints *hints, struct sks_endpoint *ret_where,
			uint32_t *ret_asked)
{
	struct recent *recent = find_place(set_of(asked, hints->name), hints->name);
	struct sks_endpoint where;
	uint32_t version, when;
	bool same;

	if (!recent)
		return false;
	version = sks_version_read(&recent->version);
	same = recent->name == hints->name && recent->port == port &&
	       sks_endpoint_equal(&recent->peer, peer) &&
	       recent->check == check_of(&recent->peer, &recent->where);
	where = recent->where;
	when = recent->answered ? recent->asked : 0;
	if (!sks_version_holds(&recent->version, version) || !same ||
	    (hints->has_source && !sks_endpoint_same_address(&where, &hints->source)))
		return false;
	*ret_where = where;
	*ret_asked = when;
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

static bool is_same(const struct bucket *bucket, int i, uint32_t tag, uint16_t port,
		    const struct entry *entry)
{
	return is_of(bucket, i, tag, port, &entry->peer) &&
	       sks_endpoint_equal(&bucket->entries[i].where, &entry->where);
}

/* The entry to write: the very same, another thread's that is answered, a free one, the oldest. */
static int place_for(const struct bucket *bucket, uint32_t tag, uint16_t port,
		     const struct entry *entry, bool *ret_known)
{
	int oldest = 0, is_free = -1, closed = -1;

	*ret_known = false;
	for (int i = 0; i < WAYS; i++) {
		const struct entry *other = &bucket->entries[i];

		if (!bucket->tags[i]) {
			is_free = i;
			continue;
		}
		if (is_of(bucket, i, tag, port, &entry->peer))
			*ret_known = true;
		if (is_same(bucket, i, tag, port, entry)) {
			if (other->thread == entry->thread)
				return i;
			if (!other->open)
				closed = i;
		}
		if (is_later(bucket->entries[oldest].when, other->when) || !bucket->tags[oldest])
			oldest = i;
	}
	return closed >= 0 ? closed : is_free >= 0 ? is_free : oldest;
}

/*
 * Is it what came last of all, so that there is nothing to write but that it came once more? Seldom
 * wrong, and then harmless. *ret_when: when that was.
 */
static bool is_noted(struct bucket *bucket, uint32_t tag, uint16_t port, const struct entry *entry,
		     uint32_t *ret_when)
{
	uint32_t version = sks_version_read(&bucket->version);
	struct entry *noted = NULL;

	for (int i = 0; !noted && i < WAYS; i++) {
		struct entry *other = &bucket->entries[i];

		if (other->when == bucket->clock && other->thread == entry->thread &&
		    is_same(bucket, i, tag, port, entry))
			noted = other;
		*ret_when = other->when;
	}
	if (!sks_version_holds(&bucket->version, version) || !noted)
		return false;
	noted->open++;
	return true;
}

/* entry->when is set where it is noted. */
static void note(struct bucket *bucket, uint32_t tag, uint16_t port, struct entry *entry,
		 bool needed)
{
	bool known, broken;
	int i;

	if (is_noted(bucket, tag, port, entry, &entry->when))
		return;
	entry->when = 0;
	if (!sks_version_begin(&bucket->version, &broken))
		return;
	if (broken)
		memset(bucket->tags, 0, sizeof(bucket->tags));
	i = place_for(bucket, tag, port, entry, &known);
	if (known || needed) {
		entry->when = ++bucket->clock;
		entry->open = is_same(bucket, i, tag, port, entry) ? bucket->entries[i].open + 1
								   : 1;
		bucket->tags[i] = tag;
		bucket->entries[i] = *entry;
		bucket->entries[i].peer.reserved = port;
		bucket->entries[i].check = check_of(&bucket->entries[i].peer, &entry->where);
	}
	sks_version_end(&bucket->version);
}

void sks_asked_note(struct sks_asked *asked, uint16_t port, const struct sks_endpoint *peer,
		    const struct sks_endpoint *where, const void *name, bool needed)
{
	uint64_t hash = hash_of(port, peer);
	struct entry entry = { .peer = *peer, .where = *where, .thread = this_thread(asked) };

	note(&asked->shared->buckets[hash & (BUCKETS - 1)], tag_of(hash), port, &entry, needed);
	if (name)
		note_recent(asked, port, &entry, name);
}

/*
 * A bucket's best answer, or NULL; sks_version_holds() says whether it is to be believed. A thread
 * answers what it has received itself: unless all of that is answered, and what came last is not.
 */
static struct entry *find(struct bucket *bucket, uint32_t tag, uint16_t port,
			  const struct sks_endpoint *peer, const struct sks_hints *hints,
			  uint32_t thread)
{
	struct entry *own = NULL, *last = NULL;

	for (int i = 0; i < WAYS; i++) {
		struct entry *entry = &bucket->entries[i];

		if (!is_of(bucket, i, tag, port, peer) ||
		    entry->check != check_of(&entry->peer, &entry->where) ||
		    (hints->has_source &&
		     !sks_endpoint_same_address(&entry->where, &hints->source)) ||
		    (hints->where && !sks_endpoint_equal(&entry->where, hints->where)))
			continue;
		if (!last || is_later(entry->when, last->when))
			last = entry;
		if (entry->thread == thread && (!own || is_later(entry->when, own->when)))
			own = entry;
	}
	return own && (own->open || !last->open) ? own : last;
}

/* The peer's entry, and what it says, as far as nobody has to be waited for; or NULL. */
static struct entry *find_entry(struct sks_asked *asked, uint16_t port,
				const struct sks_endpoint *peer, const struct sks_hints *hints,
				struct entry *ret_copy)
{
	uint64_t hash = hash_of(port, peer);
	struct bucket *bucket = &asked->shared->buckets[hash & (BUCKETS - 1)];
	uint32_t thread = this_thread(asked), version;

	for (int tries = 0; tries < SKS_VERSION_SPINS; tries++) {
		struct entry *found;

		version = sks_version_read(&bucket->version);
		if (version & 1)
			return NULL;
		found = find(bucket, tag_of(hash), port, peer, hints, thread);
		if (found)
			*ret_copy = *found;
		if (sks_version_holds(&bucket->version, version))
			return found;
	}
	return NULL;
}

bool sks_asked_find(struct sks_asked *asked, uint16_t port, const struct sks_endpoint *peer,
		    const struct sks_hints *hints, struct sks_endpoint *ret_where)
{
	struct sks_endpoint where = { .port = 0 };
	struct entry entry;
	uint32_t when = 0;
	bool found = hints->name && find_recent(asked, port, peer, hints, &where, &when);

	/* A second answer to what is in that place counts as long as nothing newer was asked. */
	if ((!found || when) && find_entry(asked, port, peer, hints, &entry) &&
	    (!found || is_later(entry.when, when))) {
		where = entry.where;
		found = true;
	}
	if (found)
		*ret_where = where;
	return found;
}

/* Not under the bucket's version: two who write at once leave a worse hint, and no wrong entry. */
void sks_asked_answered(struct sks_asked *asked, uint16_t port, const struct sks_endpoint *peer,
			const struct sks_endpoint *where, const void *name)
{
	const struct sks_hints hints = { .where = where };
	struct recent *recent = find_place(set_of(asked, name), name);
	struct entry copy, *entry = find_entry(asked, port, peer, &hints, &copy);

	if (recent && !recent->answered)
		recent->answered = true;
	if (!entry)
		return;
	if (copy.open)
		entry->open = copy.open - 1;
	if (copy.open <= 1) /* the rest is still for who received it */
		entry->thread = this_thread(asked);
}
