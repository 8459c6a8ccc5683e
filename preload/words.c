/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the calls of sksteer.h came to, a text for each thread (see words.h). */
#include "words.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>

#include "../common/raw.h"

#define THREADS 64

struct memory {
	struct sks_words words[THREADS];
	uint8_t instance[SKS_INSTANCE_SIZE];
};

static _Atomic(struct memory *) memory;

static struct memory *map(void)
{
#ifdef SYS_mmap2
	long number = SYS_mmap2;
#else
	long number = SYS_mmap;
#endif
	long addr = sks_raw(number, NULL, sizeof(struct memory), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1);

	return addr < 0 && addr > -4096 ? NULL : (struct memory *)addr;
}

/* Of two threads that are both the first one has its memory taken. */
static struct memory *get(void)
{
	struct memory *seen = memory, *fresh;

	if (seen)
		return seen;
	fresh = map();
	if (!fresh)
		return NULL;
	(void)sks_raw(SYS_getrandom, fresh->instance, sizeof(fresh->instance), 0);
	if (atomic_compare_exchange_strong(&memory, &seen, fresh))
		return fresh;
	(void)sks_raw(SYS_munmap, fresh, sizeof(*fresh));
	return seen;
}

/* Whoever has forked has other numbers, so that its parent's threads are gone here, too. */
static bool is_free(int tid)
{
	return !tid || sks_raw(SYS_tgkill, sks_raw(SYS_getpid), tid, 0) == -ESRCH;
}

struct sks_words *sks_words_get(void)
{
	struct memory *all = get();
	int own = (int)sks_raw(SYS_gettid);

	for (int i = 0; all && i < THREADS; i++)
		if (all->words[i].tid == own)
			return &all->words[i];
	for (int i = 0; all && i < THREADS; i++) {
		struct sks_words *words = &all->words[i];
		int tid = words->tid;

		if (is_free(tid) && atomic_compare_exchange_strong(&words->tid, &tid, own))
			return words;
	}
	return NULL;
}

const uint8_t *sks_words_instance(void)
{
	struct memory *all = get();

	return all ? all->instance : NULL;
}
