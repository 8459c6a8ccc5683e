// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns the replacement of what runs, the program and the maps that have become too small, by
 * bpf_link_update(): before it nothing has changed, after it everything has, also for a helper that
 * is killed there (helper/bpf.c finishes it or takes it back).
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../common/cleanup.h"
#include "bpf_load.h"
#include "counter.h"
#include "kernel.h"

struct replacement {
	const char *dir;
	struct sks_maps *maps;
	uint32_t entries[SKS_MAP_COUNT]; /* of the new maps; 0: the old one stays */
	bool run;			 /* the program reads one of them, so it is replaced too */
	struct sks_loaded loaded;
	int fd[SKS_MAP_COUNT];	     /* of the new maps, to be kept */
	void *memory[SKS_MAP_COUNT]; /* where they are mapped for now */
	struct sks_counter *counted; /* what the old counters said when they were copied */
};

static size_t new_size(const struct replacement *r, int i)
{
	return sks_map_kinds[i].size * r->entries[i];
}

/* All that can fail for want of memory or descriptors fails here, before anything counts. */
static int hold_maps(struct replacement *r)
{
	for (int i = 0; i < SKS_MAP_COUNT; i++) {
		const struct sks_map_kind *kind = &sks_map_kinds[i];

		if (!r->entries[i])
			continue;
		r->fd[i] = fcntl(r->loaded.fd[i], F_DUPFD_CLOEXEC, 0);
		if (r->fd[i] < 0)
			return -errno;
		if (!kind->mapped)
			continue;
		r->memory[i] =
			mmap(NULL, new_size(r, i), PROT_READ | PROT_WRITE, MAP_SHARED, r->fd[i], 0);
		if (r->memory[i] == MAP_FAILED) {
			r->memory[i] = NULL;
			return -errno;
		}
		memcpy(r->memory[i], r->maps->memory[i], kind->size * r->maps->entries[i]);
	}
	return 0;
}

static int copy_sockets(const struct replacement *r)
{
	static const enum sks_map maps[] = { SKS_MAP_SOCKETS, SKS_MAP_HEADS };
	int err = 0;

	for (int i = 0; !err && i < 2; i++) {
		if (r->entries[maps[i]])
			err = sks_bpf_copy_sockets(r->maps->fd[maps[i]], r->fd[maps[i]],
						   r->maps->entries[maps[i]]);
	}
	return err;
}

/* A destination that is not in use has its counters cleared when it is taken. */
static bool is_counted(const struct replacement *r, uint32_t key)
{
	return r->maps->dests[key / 2].born;
}

static int copy_counters(struct replacement *r)
{
	uint32_t n = r->maps->entries[SKS_MAP_COUNTERS];
	int err = 0;

	if (!r->entries[SKS_MAP_COUNTERS])
		return 0;
	r->counted = calloc(n, sizeof(*r->counted));
	if (!r->counted)
		return -ENOMEM;
	for (uint32_t key = 0; !err && key < n; key++) {
		if (is_counted(r, key))
			err = sks_bpf_copy_counter(r->maps->fd[SKS_MAP_COUNTERS],
						   r->fd[SKS_MAP_COUNTERS], key, &r->counted[key]);
	}
	return err;
}

/*
 * What the old program counted after the copy goes to the services: the new counters are the new
 * program's alone, and the old one does not run any more.
 */
static void count_rest(struct replacement *r, int old_counters)
{
	for (uint32_t key = 0; key < r->maps->entries[SKS_MAP_COUNTERS]; key++) {
		const struct sks_counter *before = &r->counted[key];
		const struct sks_dest *dest = &r->maps->dests[key / 2];
		struct sks_counter now;

		if (!is_counted(r, key) || sks_bpf_sum_counter(old_counters, key, &now))
			continue;
		now.steered -= before->steered;
		now.refused -= before->refused;
		for (int i = 0; i < SKS_FAILURES; i++)
			now.errors[i] -= before->errors[i];
		if (!sks_counter_errors(&now))
			now.last_errno = 0;
		sks_counter_add(&r->maps->services[dest->service].past[dest->proto & 1][key % 2],
				&now);
	}
}

static int pin_new(const struct replacement *r)
{
	int err = 0;

	for (int i = 0; !err && i < SKS_MAP_COUNT; i++) {
		if (r->entries[i])
			err = sks_bpf_pin(r->fd[i], r->dir, sks_map_kinds[i].name, SKS_PIN_NEW);
	}
	if (!err && r->run)
		err = sks_bpf_pin(r->loaded.program, r->dir, "program", SKS_PIN_NEW);
	return err;
}

static int prepare(struct replacement *r)
{
	int err = sks_bpf_load(r->maps, r->entries, r->run, &r->loaded);

	if (err)
		return sks_bpf_explain(err, "loading the program");
	err = hold_maps(r);
	if (err)
		return sks_bpf_explain(err, "mapping the larger maps into memory");
	err = copy_sockets(r) ?: copy_counters(r);
	if (err)
		return sks_bpf_explain(err, "copying what is in the maps");
	err = pin_new(r);
	return err ? sks_bpf_explain(err, "pinning the larger maps") : 0;
}

/* Makes the new ones count. Where no program is replaced, the one rename does. */
static int switch_over(const struct replacement *r)
{
	int err;

	if (r->run && bpf_link_update(r->maps->link, r->loaded.program, NULL))
		return sks_bpf_explain(-errno, "replacing the program");
	err = sks_bpf_adopt_pins(r->dir);
	if (err)
		(void)sks_bpf_explain(err, "renaming the pins");
	/* Packets run the new program already; the next helper finds that out and renames. */
	return r->run ? 0 : err;
}

static void empty_sockets(const int fd[SKS_MAP_COUNT], const uint32_t entries[SKS_MAP_COUNT],
			  const uint32_t going[SKS_MAP_COUNT])
{
	static const enum sks_map maps[] = { SKS_MAP_SOCKETS, SKS_MAP_HEADS };

	for (int i = 0; i < 2; i++) {
		if (going[maps[i]])
			sks_bpf_empty_sockets(fd[maps[i]], entries[maps[i]]);
	}
}

/* The helper's view moves to what counts now, at the same addresses. */
static void take_over(struct replacement *r)
{
	CLEANUP_FD int old_counters = -1;

	/*
	 * The old program reads the same ports: a number that only the new maps have room for would
	 * be nothing to it, and the packet would pass. So none is published while it may run.
	 */
	if (r->run)
		sks_kernel_grace();
	empty_sockets(r->maps->fd, r->maps->entries, r->entries);
	for (int i = 0; i < SKS_MAP_COUNT; i++) {
		int *fd = &r->maps->fd[i];

		if (!r->entries[i])
			continue;
		/* Nothing is allocated for it. Without a view of its maps a helper is as good as
		 * dead, and the next one takes up what counts. */
		if (r->memory[i] &&
		    mremap(r->memory[i], new_size(r, i), new_size(r, i),
			   MREMAP_MAYMOVE | MREMAP_FIXED, r->maps->memory[i]) == MAP_FAILED)
			abort();
		r->memory[i] = NULL;
		if (i == SKS_MAP_COUNTERS)
			old_counters = sks_take_fd(fd);
		sks_closep(fd);
		*fd = sks_take_fd(&r->fd[i]);
	}
	if (r->entries[SKS_MAP_SOCKETS])
		sks_bpf_drop_census(r->maps);
	if (r->counted)
		count_rest(r, old_counters);
	for (int i = 0; i < SKS_MAP_COUNT; i++) {
		if (r->entries[i])
			r->maps->entries[i] = r->entries[i];
	}
	if (r->run)
		r->maps->ports->head.program = sks_bpf_hash();
}

static void step_generation(struct sks_maps *maps)
{
	__atomic_store_n(&maps->ports->head.generation, ++maps->generation, __ATOMIC_SEQ_CST);
}

static int replace(struct replacement *r)
{
	int err;

	for (int i = 0; i < SKS_MAP_COUNT; i++)
		r->fd[i] = -1;
	sks_bpf_forget();
	/* Pins of what runs may still have their new names, where renaming them failed. */
	err = sks_bpf_put_right(r->dir, r->maps->link);
	if (err)
		return sks_bpf_explain(err, "renaming the pins of the last growth");
	step_generation(r->maps);
	err = prepare(r) ?: switch_over(r);
	if (err)
		sks_bpf_drop_new_pins(r->dir);
	else
		take_over(r);
	step_generation(r->maps);
	empty_sockets(r->fd, r->entries, r->entries); /* where it has come to nothing */
	for (int i = 0; i < SKS_MAP_COUNT; i++) {
		if (r->memory[i])
			(void)munmap(r->memory[i], new_size(r, i));
		sks_closep(&r->fd[i]);
	}
	sks_bpf_unload(&r->loaded);
	free(r->counted);
	if (!err)
		sks_bpf_forget();
	return err;
}

int sks_bpf_refresh(const char *dir, struct sks_maps *maps)
{
	struct replacement r = { .dir = dir, .maps = maps, .run = true };

	return maps->ports->head.program == sks_bpf_hash() ? 0 : replace(&r);
}

int sks_bpf_renew_sockets(const char *dir, struct sks_maps *maps)
{
	struct replacement r = { .dir = dir, .maps = maps, .run = true };

	r.entries[SKS_MAP_SOCKETS] = maps->entries[SKS_MAP_SOCKETS];
	return replace(&r);
}

int sks_bpf_grow(const char *dir, struct sks_maps *maps, enum sks_map map, uint32_t entries)
{
	struct replacement r = {
		.dir = dir,
		.maps = maps,
		.run = map != SKS_MAP_SERVICES && map != SKS_MAP_BINDINGS,
	};

	if (entries <= maps->entries[map])
		return 0;
	if (entries > sks_map_kinds[map].max)
		return -ENOSPC;
	r.entries[map] = entries;
	if (map == SKS_MAP_DESTS)
		r.entries[SKS_MAP_COUNTERS] = r.entries[SKS_MAP_HEADS] = 2 * entries;
	if (map == SKS_MAP_RULES4)
		r.entries[SKS_MAP_RULES6] = entries;
	if (map == SKS_MAP_SLOTS)
		r.entries[SKS_MAP_SOCKETS] = entries;
	return replace(&r);
}
