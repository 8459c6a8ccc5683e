/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the network namespaces that the helper serves, found again by their pins after a restart. */
#ifndef SKSTEER_SPACE_H
#define SKSTEER_SPACE_H

#include <stddef.h>

#include "pins.h"
#include "store.h"

#define SKS_SPACES_MAX 1024u

struct sks_spaces {
	char dir[128]; /* below which each namespace has its directory, on a bpffs */
	struct sks_space *spaces[SKS_SPACES_MAX];
	size_t n;
	bool strangers; /* pins that could not be taken up may be there too */
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
/* The same, made when it is not there. netns is borrowed. 0 or -errno. */
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

/* sks_pins_are_foreign() of the namespace's pins. */
bool sks_spaces_are_foreign(const struct sks_spaces *spaces, uint64_t ino,
			    char ret_why[SKS_PINS_WHYLEN]);

/* Is the path on a bpffs? False also when it is not there. */
bool sks_is_bpffs(const char *path);

/* Where the pins of a namespace lie: DIR/net-INO. -ENAMETOOLONG. */
int sks_space_path(const char *dir, uint64_t ino, char *buf, size_t size);

#endif
