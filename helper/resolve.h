/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns routes: which addresses and ports each binding opens, and to which destination. */
#ifndef SKSTEER_RESOLVE_H
#define SKSTEER_RESOLVE_H

#include <stddef.h>
#include <stdint.h>

#include "../common/prefix.h"
#include "ranges.h"
#include "store.h"
#include "verdict.h"

struct sks_route {
	struct sks_prefix prefix; /* never AF_UNSPEC; length 0: every address of the family */
	uint8_t proto;		  /* SKS_TCP or SKS_UDP */
	uint16_t first, last;	  /* host order */
	uint16_t dest, service;	  /* numbers of records */
	uint32_t ifindex;	  /* of the destination: only for what arrives there; 0: for all */
	uint32_t width;		  /* ports that the binding names; "*" is wider than any range */
	uint16_t begins;	  /* the first of them, also where only a piece is left */
	uint32_t born;
	uint32_t binding; /* number of the record that it comes from */
};

struct sks_routes {
	struct sks_route *routes; /* malloc'd; sks_routes_free() */
	size_t n, room;
};

/* Which bindings are looked at: those that touch the ranges, of one service, some, or all. */
struct sks_scope {
	const struct sks_ranges *ranges;   /* [2], by protocol, merged; NULL: all ports */
	const struct sks_service *service; /* NULL: all */
	const uint8_t *among;		   /* by number, whether it is one of them; NULL: all are */
};

/*
 * The routes of the bindings of that epoch (without what they leave out to others). A binding that
 * no destination serves yet has none. 0, -ENOMEM, or -EINVAL with a text: several sockets could
 * serve a clause of the service that is judged (NULL: none is, and the oldest serves).
 */
int sks_routes_resolve(const struct sks_space *space, uint32_t epoch, struct sks_scope scope,
		       const struct sks_service *judged, struct sks_routes *ret_routes,
		       struct sks_verdict *verdict);

/* 0 or -ENOMEM. */
int sks_routes_add(struct sks_routes *routes, const struct sks_route *route);

/* helper/gaps.c: the same, with every route that yields cut into the pieces that its service does
 * not leave out, in that epoch. */
int sks_routes_cut(const struct sks_space *space, uint32_t epoch, const struct sks_routes *routes,
		   struct sks_routes *ret_pieces);
void sks_routes_free(struct sks_routes *routes);

/* 192.0.2.0/24:80-90/tcp for messages. Returns buf. */
#define SKS_ROUTE_STRLEN 96
char *sks_route_format(const struct sks_route *route, char buf[SKS_ROUTE_STRLEN]);

/* The record's fields as the prefixes that they are. */
struct sks_prefix sks_binding_prefix(const struct sks_binding *binding);
struct sks_prefix sks_dest_addr(const struct sks_dest *dest);

#endif
