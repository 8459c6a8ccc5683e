/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the network namespaces that the helper serves, found again by their pins after a restart. */
#ifndef SKSTEER_SPACE_H
#define SKSTEER_SPACE_H

#include <stddef.h>

#include "damage.h"
#include "pins.h"
#include "store.h"

#define SKS_SPACES_MAX	  1024u
#define SKS_SPACES_A_USER 64u  /* who made the user namespaces that they belong to */
#define SKS_SPACES_KEPT	  256u /* for those of the helper's own user namespace */

struct sks_spaces {
	char dir[128]; /* below which each namespace has its directory, on a bpffs */
	struct sks_space *spaces[SKS_SPACES_MAX];
	size_t n;
	bool strangers;		    /* pins that could not be taken up may be there too */
	struct sks_damage *damages; /* of those that nothing can be done with but to unload them */
};

/* Makes dir, and mounts a bpffs where there is none. Changes no pin. 0 or -errno. */
int sks_spaces_open(struct sks_spaces *spaces, const char *dir);
/*
 * Takes up every namespace that is pinned there and still exists; the pins of dead ones go. For the
 * only helper that works there: what another has half done goes too. 0 or -errno.
 */
int sks_spaces_take_up(struct sks_spaces *spaces);
void sks_spaces_close(struct sks_spaces *spaces);

/* The namespace's space, or NULL. One whose link says that it is dead goes. */
struct sks_space *sks_spaces_find(struct sks_spaces *spaces, uint64_t ino);
/*
 * The same, made when it is not there. netns is borrowed. 0 or -errno: -EDQUOT: its user has too
 * many; -ENOSPC: all have.
 */
int sks_spaces_get(struct sks_spaces *spaces, int netns, uint64_t ino,
		   struct sks_space **ret_space);
/* Unpins it all: program, link and maps go. */
void sks_spaces_remove(struct sks_spaces *spaces, struct sks_space *space);
/* The same by the namespace's number, also of pins that could not be taken up. 0 or -ENOENT. */
int sks_spaces_unload(struct sks_spaces *spaces, uint64_t ino);
/* The same for the namespaces that have died. */
void sks_spaces_bury(struct sks_spaces *spaces);
/* The same for those that have no service any more. */
void sks_spaces_reap(struct sks_spaces *spaces);

/* Are the namespace's pins another version's, or damaged? ret_why then says so in one line. */
bool sks_spaces_are_unusable(const struct sks_spaces *spaces, uint64_t ino,
			     char ret_why[SKS_PINS_WHYLEN]);

#endif
