/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the reading of a spec: clauses, their heads, their items, and what is said of a bad one. */
#include "spec.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "text.h"

_Static_assert(SKS_SPEC_MAX == 16384, "an error names it");

#define QUOTE_MAX 60 /* characters of an item that an error shows */
#define PORT_MAX  65535u

#define MISPLACED "an address or a listener begins its clause: put a ; before it"

/* A piece of the cursor's text. */
struct span {
	const char *s;
	size_t len;
};

static int fail(const struct sks_spec_cursor *c, struct span item, const char *why,
		struct sks_spec_error *ret_error)
{
	struct sks_text text;

	ret_error->offset = (size_t)(item.s - c->text);
	sks_text_init(&text, ret_error->text, sizeof(ret_error->text));
	sks_text_char(&text, '"');
	for (size_t i = 0; i < item.len && i < QUOTE_MAX; i++)
		sks_text_char(&text, item.s[i] >= ' ' && item.s[i] <= '~' ? item.s[i] : '?');
	sks_text_str(&text, item.len > QUOTE_MAX ? "...\" at character " : "\" at character ");
	sks_text_uint(&text, ret_error->offset + 1);
	sks_text_str(&text, ": ");
	sks_text_str(&text, why);
	return -EINVAL;
}

/* Quotes the one character at pos: a separator that lacks something before or after it. */
static int fail_at(const struct sks_spec_cursor *c, size_t pos, const char *why,
		   struct sks_spec_error *ret_error)
{
	return fail(c, (struct span){ c->text + pos, 1 }, why, ret_error);
}

static int fail_no_address(const struct sks_spec_cursor *c, struct span addr,
			   struct sks_spec_error *ret_error)
{
	return fail_at(c, (size_t)(addr.s - c->text), "an address is missing before it", ret_error);
}

static bool is(struct span span, const char *word)
{
	return span.len == strlen(word) && memcmp(span.s, word, span.len) == 0;
}

static const char *find(struct span span, char c)
{
	return memchr(span.s, c, span.len);
}

static const char *find_last(struct span span, char c)
{
	while (span.len && span.s[span.len - 1] != c)
		span.len--;
	return span.len ? span.s + span.len - 1 : NULL;
}

/* What stands before at, which points into the span or is NULL for its end. */
static struct span before(struct span span, const char *at)
{
	return (struct span){ span.s, at ? (size_t)(at - span.s) : span.len };
}

static struct span after(struct span span, const char *at)
{
	return (struct span){ at + 1, span.len - (size_t)(at + 1 - span.s) };
}

/* The piece of a clause between the commas around at. */
static struct span between_commas(struct span clause, const char *at)
{
	const char *start = at;

	while (start > clause.s && start[-1] != ',')
		start--;
	clause = (struct span){ start, clause.len - (size_t)(start - clause.s) };
	return before(clause, find(clause, ','));
}

static int check_characters(const struct sks_spec_cursor *c, struct span clause,
			    struct sks_spec_error *ret_error)
{
	for (const char *s = clause.s; s < clause.s + clause.len; s++) {
		const char *why;

		if (*s == ' ' || (*s >= '\t' && *s <= '\r'))
			why = "blanks are not allowed";
		else if (*s < ' ' || *s > '~')
			why = "only printable ASCII is allowed";
		else if (*s == '%')
			why = "% is reserved for interfaces";
		else
			continue;
		return fail(c, between_commas(clause, s), why, ret_error);
	}
	return 0;
}

/*
 * Cuts "address:" off the front of *span, up to the first comma. The address ends at the last
 * colon, so that IPv6 without brackets is seen as what it is. Without any colon, false.
 */
static bool cut_address(struct span *span, struct span *ret_addr)
{
	struct span token = before(*span, find(*span, ','));
	const char *close = find(token, ']'), *colon;

	if (token.len && token.s[0] == '[')
		colon = close ? find(after(token, close), ':') : NULL;
	else
		colon = find_last(token, ':');
	if (!colon)
		return false;
	*ret_addr = before(*span, colon);
	*span = after(*span, colon);
	return true;
}

/* NULL, or the reason why it is no port. */
static const char *read_port(struct span span, const char *otherwise, uint16_t *ret_port)
{
	uint32_t port;

	switch (sks_uint_parse(span.s, span.len, PORT_MAX, &port)) {
	case 0:
		break;
	case -ERANGE:
		return "a port is at most 65535";
	default:
		if (span.len > 1 && span.s[0] == '0' && span.s[1] >= '0' && span.s[1] <= '9')
			return "a port is written without leading zeros";
		return otherwise;
	}
	if (port == 0)
		return "there is no port 0";
	*ret_port = (uint16_t)port;
	return NULL;
}

static int read_listener(struct sks_spec_cursor *c, struct span listener,
			 struct sks_spec_error *ret_error)
{
	char why[SKS_PREFIX_WHYLEN];
	struct span port = listener, addr;
	const char *reason;

	if (listener.len == 0)
		return fail_at(c, c->pos, "a listener is missing before it", ret_error);
	if (find(listener, ','))
		return fail(c, listener, "a listener has one port, and begins its clause",
			    ret_error);
	if (cut_address(&port, &addr)) {
		if (addr.len == 0)
			return fail_no_address(c, addr, ret_error);
		if (sks_address_parse(addr.s, addr.len, &c->clause.listener_addr, why) < 0)
			return fail(c, addr, why, ret_error);
	}
	reason = read_port(port, "a listener is a port, or an address and a port",
			   &c->clause.listener_port);
	return reason ? fail(c, listener, reason, ret_error) : 0;
}

static int read_where(struct sks_spec_cursor *c, struct span where,
		      struct sks_spec_error *ret_error)
{
	char why[SKS_PREFIX_WHYLEN];

	if (where.len == 0)
		return fail_no_address(c, where, ret_error);
	if (is(where, "*"))
		return fail(c, where, "every address is spelt any", ret_error);
	if (is(where, "any")) {
		c->clause.where = SKS_WHERE_ANY;
		return 0;
	}
	if (sks_prefix_parse(where.s, where.len, &c->clause.where_prefix, why) < 0)
		return fail(c, where, why, ret_error);
	c->clause.where = SKS_WHERE_PREFIX;
	return 0;
}

/* The length of a prefix would else be taken for a protocol, with a misleading error. */
static int refuse_lone_address(const struct sks_spec_cursor *c, struct span items,
			       struct sks_spec_error *ret_error)
{
	struct span token = before(items, find(items, ','));
	char why[SKS_PREFIX_WHYLEN];
	struct sks_prefix prefix;

	if (is(token, "any") || sks_prefix_parse(token.s, token.len, &prefix, why) == 0)
		return fail(c, token, "ports are missing after the address", ret_error);
	if (token.len && token.s[0] == '[')
		return fail(c, token, why, ret_error);
	return 0;
}

static int read_proto(struct sks_spec_cursor *c, struct span items,
		      struct sks_spec_error *ret_error)
{
	const char *slash = find(items, '/'), *head;
	struct span proto;

	c->clause.proto = IPPROTO_TCP;
	if (!slash)
		return 0;
	proto = after(items, slash);
	if (proto.len == 0)
		return fail_at(c, (size_t)(slash - c->text), "a protocol is missing after it",
			       ret_error);
	head = find(proto, ':') ?: find(proto, '=');
	if (head)
		return fail(c, between_commas(items, head), MISPLACED, ret_error);
	if (is(proto, "udp"))
		c->clause.proto = IPPROTO_UDP;
	else if (!is(proto, "tcp"))
		return fail(c, proto, "the protocol is tcp or udp, and ends its clause", ret_error);
	return 0;
}

/* Reads what holds for the whole clause, and leaves the cursor at the first item. */
static int read_head(struct sks_spec_cursor *c, struct span clause,
		     struct sks_spec_error *ret_error)
{
	const char *equals = find(clause, '=');
	struct span items = equals ? after(clause, equals) : clause, where;
	int r;

	c->clause = (struct sks_target){ .where = SKS_WHERE_LISTENER };
	if (equals) {
		r = read_listener(c, before(clause, equals), ret_error);
		if (r < 0)
			return r;
	}
	if (cut_address(&items, &where))
		r = read_where(c, where, ret_error);
	else
		r = refuse_lone_address(c, items, ret_error);
	if (r < 0)
		return r;
	r = read_proto(c, items, ret_error);
	if (r < 0)
		return r;
	c->pos = (size_t)(items.s - c->text);
	c->in_clause = true;
	return 0;
}

/* 1: the cursor is at the first item of a clause; 0: there is no more clause; or an error. */
static int begin_clause(struct sks_spec_cursor *c, struct sks_spec_error *ret_error)
{
	struct span rest = { c->text, c->len }, clause;
	int r;

	if (c->len == 0)
		return fail(c, rest, "the spec is empty", ret_error);
	rest.s += c->pos;
	rest.len -= c->pos;
	clause = before(rest, find(rest, ';'));
	if (clause.len == 0 && c->pos == 0)
		return fail_at(c, 0, "a clause is missing before it", ret_error);
	if (clause.len == 0 && c->text[c->pos - 1] == ';')
		return fail_at(c, c->pos - 1, "a clause is missing after it", ret_error);
	if (clause.len == 0)
		return 0;
	r = check_characters(c, clause, ret_error);
	if (r == 0)
		r = read_head(c, clause, ret_error);
	return r < 0 ? r : 1;
}

static int fail_empty_item(const struct sks_spec_cursor *c, struct sks_spec_error *ret_error)
{
	if (c->pos == 0 || c->text[c->pos - 1] == ';')
		return fail_at(c, c->pos, "a port is missing before it", ret_error);
	return fail_at(c, c->pos - 1, "a port is missing after it", ret_error);
}

static int read_item(const struct sks_spec_cursor *c, struct span item, struct sks_target *target,
		     struct sks_spec_error *ret_error)
{
	const char *dash = find(item, '-'), *reason;
	struct span low = before(item, dash), high = dash ? after(item, dash) : item;

	if (item.len == 0)
		return fail_empty_item(c, ret_error);
	if (is(item, "*")) {
		target->first = 1;
		target->last = PORT_MAX;
		target->all = true;
		return 0;
	}
	if (find(item, ':') || find(item, '='))
		return fail(c, item, MISPLACED, ret_error);
	if (dash && item.len > 1 && (low.len == 0 || high.len == 0))
		return fail(c, item, "a range needs both its ends", ret_error);
	reason = read_port(low, "not a port, a range or *", &target->first);
	if (!reason)
		reason = read_port(high, "not a port, a range or *", &target->last);
	if (!reason && target->last < target->first)
		reason = "the range ends before it begins";
	return reason ? fail(c, item, reason, ret_error) : 0;
}

static struct span cut_item(const struct sks_spec_cursor *c)
{
	struct span item = { c->text + c->pos, c->len - c->pos };

	for (size_t i = 0; i < item.len; i++) {
		if (item.s[i] == ',' || item.s[i] == ';' || item.s[i] == '/')
			item.len = i;
	}
	return item;
}

/* Moves the cursor behind the item, and behind its clause if it was the last one there. */
static void pass_item(struct sks_spec_cursor *c, struct span item)
{
	size_t end = (size_t)(item.s - c->text) + item.len;

	c->item = (size_t)(item.s - c->text);
	c->item_len = item.len;
	c->in_clause = end < c->len && c->text[end] == ',';
	/* What may follow otherwise is the protocol, which the clause's head has read. */
	while (!c->in_clause && end < c->len && c->text[end] != ';')
		end++;
	c->pos = end < c->len ? end + 1 : end;
}

int sks_spec_next(struct sks_spec_cursor *cursor, struct sks_target *ret_target,
		  struct sks_spec_error *ret_error)
{
	struct sks_target target;
	struct span item;
	int r;

	if (cursor->len > SKS_SPEC_MAX) {
		fail(cursor, (struct span){ cursor->text, cursor->len },
		     "a spec has at most 16384 bytes", ret_error);
		return -E2BIG;
	}
	if (!cursor->in_clause) {
		r = begin_clause(cursor, ret_error);
		if (r <= 0)
			return r;
	}
	item = cut_item(cursor);
	target = cursor->clause;
	r = read_item(cursor, item, &target, ret_error);
	if (r < 0)
		return r;
	pass_item(cursor, item);
	*ret_target = target;
	return 1;
}

int sks_spec_refuse(const struct sks_spec_cursor *cursor, const char *why,
		    struct sks_spec_error *ret_error)
{
	struct span item = { cursor->text + cursor->item, cursor->item_len };

	return fail(cursor, item, why, ret_error);
}
