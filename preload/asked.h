/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the memory of who asked where: which peer has sent datagrams to which address and port, by
 * which of the server's own ports they were received. Bounded: where it is full, what has not been
 * used for the longest time goes, and whoever that was is answered from the server's own port.
 *
 * The processes that fork(2) makes share it, but for what goes by addresses in their memory. No
 * locks; async-signal-safe.
 */
#ifndef SKSTEER_ASKED_H
#define SKSTEER_ASKED_H

#include <stdbool.h>
#include <stdint.h>

#include "endpoint.h"

struct sks_asked;

/* What is known of an answer, beside whom it goes to. */
struct sks_hints {
	const void *name; /* where the peer's address lies in the server's memory, or NULL */
	bool has_source;  /* the server names the address that it is to leave from: only that */
	struct sks_endpoint source;
	const struct sks_endpoint *where; /* only what was asked there; or NULL */
};

/* Maps it; NULL: there is no memory. It stays as long as the process. */
struct sks_asked *sks_asked_map(void);

/* A word for connect.c, 0 at first: who moves what waits. */
_Atomic uint32_t *sks_asked_turn(struct sks_asked *asked);

/*
 * The peer has sent to that address and port, and it came by the server's port. name: where the
 * server has got the peer's address, or NULL. needed: also where nothing else is known of the peer.
 */
void sks_asked_note(struct sks_asked *asked, uint16_t port, const struct sks_endpoint *peer,
		    const struct sks_endpoint *where, const void *name, bool needed);

/* What the peer has sent to that address and port is answered; name: to the peer's address there. */
void sks_asked_answered(struct sks_asked *asked, uint16_t port, const struct sks_endpoint *peer,
			const struct sks_endpoint *where, const void *name);

/* Where the peer has sent what is to be answered now; false: that is not known any more. */
bool sks_asked_find(struct sks_asked *asked, uint16_t port, const struct sks_endpoint *peer,
		    const struct sks_hints *hints, struct sks_endpoint *ret_where);

#endif
