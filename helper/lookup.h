/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the answer to who would get a packet: the attached program's verdict, the kernel's, and the
 * records that explain them. The verdict is the program's; the records only say why.
 */
#ifndef SKSTEER_LOOKUP_H
#define SKSTEER_LOOKUP_H

#include <json-c/json.h>

#include "bpf.h"
#include "diag.h"
#include "packet.h"
#include "resolve.h"
#include "store.h"

enum sks_verdict_kind {
	SKS_LOOKUP_PASSED,    /* none of ours */
	SKS_LOOKUP_STEERED,   /* to a socket of the service */
	SKS_LOOKUP_REFUSED,   /* the program drops it */
	SKS_LOOKUP_CONNECTED, /* no program is asked: it belongs to a socket that has a peer */
};

struct sks_lookup {
	const struct sks_space *space; /* NULL: nothing is loaded */
	struct sks_packet packet;
	int netns; /* borrowed */
	uint32_t epoch;
	enum sks_said said;
	uint64_t cookie;		  /* of the socket that the program said, or 0 */
	bool is_found;			  /* the kernel takes the packet to a socket, ... */
	struct sks_held found;		  /* ... this one */
	struct sks_held_list held;	  /* what else is at that port */
	struct sks_routes routes, pieces; /* that hold the port; without what is left out */
	enum sks_verdict_kind kind;
	const struct sks_route *route; /* of pieces: which wins, or NULL */
	const struct sks_route *left; /* of routes: which would, did its service not leave it out */
	/* Of its service's sockets, the one that gets it; several: whoever sends it decides. */
	uint32_t slots[SKS_MAX_SLOTS];
	size_t n_slots;
	bool overruled; /* by another program of the namespace, for what is found */
	int err;	/* 0, or why there is no answer */
};

/*
 * Asks again until no helper has changed anything meanwhile. Of space, packet and netns; the caller
 * calls sks_lookup_end() whatever comes of it. Returns lookup->err.
 */
int sks_lookup(struct sks_lookup *lookup);
void sks_lookup_end(struct sks_lookup *lookup);

/* Has the winning route's destination any socket that is open? */
bool sks_lookup_is_up(const struct sks_lookup *lookup);

/* helper/lookup_report.c: all of it, see docs/sksteerctl.8. NULL: out of memory. */
struct json_object *sks_lookup_report(const struct sks_lookup *lookup);

#endif
