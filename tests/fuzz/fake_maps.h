/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the maps of state_fuzz.c: plain memory of one namespace. What is beyond a map's entries is
 * poisoned for ASan, as it is not mapped in life.
 */
#ifndef SKSTEER_FAKE_MAPS_H
#define SKSTEER_FAKE_MAPS_H

#include <sanitizer/asan_interface.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "../../helper/bpf.h"
#include "fuzz.h"

#define FAKE_ENTRIES 64u /* of the trie */

static const struct fake_map {
	size_t size;
	uint32_t first, max; /* entries */
} fake_maps[SKS_MAP_COUNT] = {
	[SKS_MAP_PORTS] = { sizeof(struct sks_ports), 1, 1 },
	[SKS_MAP_RULES4] = { sizeof(struct sks_rule4), 64, 2 * SKS_MAX_RULES },
	[SKS_MAP_RULES6] = { sizeof(struct sks_rule6), 64, 2 * SKS_MAX_RULES },
	[SKS_MAP_PREFIXES] = { 0, SKS_MAX_PREFIXES, SKS_MAX_PREFIXES },
	[SKS_MAP_DESTS] = { sizeof(struct sks_dest), 64, SKS_MAX_DESTS },
	[SKS_MAP_SOCKETS] = { sizeof(uint64_t), 256, SKS_MAX_SLOTS },
	[SKS_MAP_HEADS] = { 0, 128, 2 * SKS_MAX_DESTS },
	[SKS_MAP_SLOTS] = { sizeof(struct sks_slot), 256, SKS_MAX_SLOTS },
	[SKS_MAP_COUNTERS] = { 0, 128, 2 * SKS_MAX_DESTS },
	[SKS_MAP_GROUPS] = { sizeof(struct sks_group), 8, SKS_MAX_GROUPS },
	[SKS_MAP_SERVICES] = { sizeof(struct sks_service), 32, SKS_MAX_SERVICES },
	[SKS_MAP_BINDINGS] = { sizeof(struct sks_binding), 128, SKS_MAX_RECORDS },
};

struct fake_entry {
	uint32_t rule;
	struct sks_prefix prefix;
	uint32_t dest;
};

/* What outlives the helper. */
static struct {
	bool pinned;
	uint8_t *memory[SKS_MAP_COUNT]; /* of the largest size */
	uint32_t entries[SKS_MAP_COUNT];
	struct fake_entry trie[FAKE_ENTRIES];
	size_t n_entries;
} fake;

/* What comes is zero, as new maps are. */
static void fake_resize(int i, uint32_t entries)
{
	size_t size = fake_maps[i].size, now = fake.entries[i] * size, next = entries * size;
	uint8_t *memory = fake.memory[i];

	if (next > now)
		ASAN_UNPOISON_MEMORY_REGION(memory, next);
	if (next < now) {
		memset(memory + next, 0, now - next);
		ASAN_POISON_MEMORY_REGION(memory + next, now - next);
	}
	fake.entries[i] = entries;
}

static void fake_reset(void)
{
	for (int i = 0; i < SKS_MAP_COUNT; i++) {
		size_t size = fake_maps[i].size * fake_maps[i].max;

		if (size && !fake.memory[i]) {
			fake.memory[i] = mmap(NULL, size, PROT_READ | PROT_WRITE,
					      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
			CHECK(fake.memory[i] != MAP_FAILED);
			ASAN_POISON_MEMORY_REGION(fake.memory[i], size);
		}
		if (fake.entries[i] && size)
			memset(fake.memory[i], 0, fake.entries[i] * fake_maps[i].size);
		fake_resize(i, fake_maps[i].first);
	}
	memset(fake.trie, 0, sizeof(fake.trie));
	fake.n_entries = 0;
	fake.pinned = false;
}

/* A picture of what lies in the maps, of malloc'd memory. */
struct fake_image {
	uint8_t *memory[SKS_MAP_COUNT];
	uint32_t entries[SKS_MAP_COUNT];
	struct fake_entry trie[FAKE_ENTRIES];
	size_t n_entries;
};

static void fake_drop(struct fake_image *image)
{
	for (int i = 0; i < SKS_MAP_COUNT; i++)
		free(image->memory[i]);
	*image = (struct fake_image){};
}

static void fake_save(struct fake_image *image)
{
	fake_drop(image);
	for (int i = 0; i < SKS_MAP_COUNT; i++) {
		size_t size = fake.entries[i] * fake_maps[i].size;

		image->entries[i] = fake.entries[i];
		if (!size)
			continue;
		image->memory[i] = malloc(size);
		CHECK(image->memory[i]);
		memcpy(image->memory[i], fake.memory[i], size);
	}
	memcpy(image->trie, fake.trie, sizeof(fake.trie));
	image->n_entries = fake.n_entries;
}

static bool fake_is(const struct fake_image *image)
{
	for (int i = 0; i < SKS_MAP_COUNT; i++) {
		if (image->entries[i] != fake.entries[i] ||
		    (image->memory[i] && memcmp(image->memory[i], fake.memory[i],
						fake.entries[i] * fake_maps[i].size) != 0))
			return false;
	}
	return image->n_entries == fake.n_entries &&
	       !memcmp(image->trie, fake.trie, sizeof(fake.trie));
}

static void fake_restore(const struct fake_image *image)
{
	for (int i = 0; i < SKS_MAP_COUNT; i++) {
		fake_resize(i, image->entries[i]);
		if (image->memory[i])
			memcpy(fake.memory[i], image->memory[i],
			       fake.entries[i] * fake_maps[i].size);
	}
	memcpy(fake.trie, image->trie, sizeof(fake.trie));
	fake.n_entries = image->n_entries;
}

#endif
