/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the grammar of SKSTEER_PORTS, -p, sksteerctl and the bindings file: text in, targets out. */
#ifndef SKSTEER_SPEC_H
#define SKSTEER_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "prefix.h"

#define SKS_SPEC_MAX	    16384u /* bytes of text, without its NUL */
#define SKS_SPEC_TARGETS    8192u  /* no text of SKS_SPEC_MAX bytes has more items */
#define SKS_SPEC_ERROR_SIZE 224u

#define SKS_LABEL_MAX 63u /* characters; [A-Za-z0-9][A-Za-z0-9_.-]* */

/* Ranges wider than this yield to other sockets instead of being exclusive. */
#define SKS_RANGE_EXCLUSIVE 1024u

enum sks_where {
	SKS_WHERE_LISTENER = 0, /* where the server itself chose to listen */
	SKS_WHERE_ANY = 1,	/* any: every address of the families that the socket accepts */
	SKS_WHERE_PREFIX = 2,	/* an address or a prefix */
};

/*
 * One item of a clause, with what its clause says. Ports in host byte order, first <= last;
 * "*" is the range 1-65535, which all tells from one spelt in numbers.
 */
struct sks_target {
	struct sks_prefix where_prefix;	 /* AF_UNSPEC unless where is SKS_WHERE_PREFIX */
	struct sks_prefix listener_addr; /* AF_UNSPEC: none named; length 0: the wildcard */
	uint16_t listener_port;		 /* 0: the clause names no listener */
	uint16_t first, last;
	uint8_t proto; /* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t where; /* enum sks_where */
	bool all;      /* not compared by sks_target_equal */
};

/*
 * A message that quotes the item and says its place, e.g. `"9-3" at character 5: the range ends
 * before it begins`. Printable ASCII, whatever the text was.
 */
struct sks_spec_error {
	size_t offset; /* of the quoted item, in bytes from the start of the text, 0-based */
	char text[SKS_SPEC_ERROR_SIZE];
};

/*
 * Walks a spec without storing it: zero it, set text (borrowed, no NUL needed) and len, and call
 * sks_spec_next until it returns 0. The whole walk takes time linear in len.
 */
struct sks_spec_cursor {
	const char *text;
	size_t len;
	size_t pos;	       /* owned by sks_spec_next from here on */
	size_t item, item_len; /* where the last target stands in the text */
	bool in_clause;
	struct sks_target clause; /* what holds for the whole clause */
};

/*
 * 1: *ret_target is the next item; 0: the end; -EINVAL, or -E2BIG above SKS_SPEC_MAX: *ret_error
 * says why. The error is final: asked again, it is given again.
 */
int sks_spec_next(struct sks_spec_cursor *cursor, struct sks_target *ret_target,
		  struct sks_spec_error *ret_error);

/* Refuses the target last walked to: quotes it as the parser's own errors do. Returns -EINVAL. */
int sks_spec_refuse(const struct sks_spec_cursor *cursor, const char *why,
		    struct sks_spec_error *ret_error);

/*
 * Reads a whole spec into ret_targets (room for max). Also refuses one target for two listeners.
 * The same target twice for one listener is kept once. An empty text is an error.
 * 0, -EINVAL with *ret_error, or -E2BIG with *ret_error (too long, or more than max targets); on
 * failure ret_targets is scratch. Takes 33 KiB of stack.
 *
 * Without a where, a target opens where its listener listens: 127.0.0.1:80=8;127.0.0.2:80=8 is two
 * targets, for one listener each.
 */
int sks_spec_parse(const char *text, size_t len, struct sks_target *ret_targets, size_t max,
		   size_t *ret_n, struct sks_spec_error *ret_error);

/* Same target: proto, where and ports; the listener is not compared. */
bool sks_target_equal(const struct sks_target *a, const struct sks_target *b);

/*
 * Does the clause of this target speak of the listener at addr:port? A clause without a listener
 * speaks of none here: which one is the first listener is the caller's knowledge.
 */
bool sks_target_names(const struct sks_target *t, uint8_t proto, const struct sks_prefix *addr,
		      uint16_t port);

bool sks_label_is_valid(const char *label);

/* Writes it without its listener as the grammar spells it: 80, any:8000-8100/udp. Returns buf. */
#define SKS_TARGET_STRLEN 96
char *sks_target_format(const struct sks_target *t, char buf[SKS_TARGET_STRLEN]);

#endif
