/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what a target says of itself: what it equals, whom it names, how it is spelt; and labels. */
#include "spec.h"

#include <netinet/in.h>

#include "text.h"

bool sks_target_equal(const struct sks_target *a, const struct sks_target *b)
{
	return a->first == b->first && a->last == b->last && a->proto == b->proto &&
	       a->where == b->where && sks_prefix_equal(&a->where_prefix, &b->where_prefix);
}

bool sks_target_names(const struct sks_target *t, uint8_t proto, const struct sks_prefix *addr,
		      uint16_t port)
{
	if (t->listener_port == 0 || t->listener_port != port || t->proto != proto)
		return false;
	return t->listener_addr.family == AF_UNSPEC || sks_prefix_equal(&t->listener_addr, addr);
}

char *sks_target_format(const struct sks_target *t, char buf[SKS_TARGET_STRLEN])
{
	char prefix[SKS_PREFIX_STRLEN];
	struct sks_text text;

	sks_text_init(&text, buf, SKS_TARGET_STRLEN);
	if (t->where == SKS_WHERE_ANY)
		sks_text_str(&text, "any:");
	if (t->where == SKS_WHERE_PREFIX) {
		sks_text_str(&text, sks_prefix_format(&t->where_prefix, prefix));
		sks_text_char(&text, ':');
	}
	if (t->all) {
		sks_text_char(&text, '*');
	} else {
		sks_text_uint(&text, t->first);
		if (t->last != t->first) {
			sks_text_char(&text, '-');
			sks_text_uint(&text, t->last);
		}
	}
	if (t->proto == IPPROTO_UDP)
		sks_text_str(&text, "/udp");
	return buf;
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool sks_label_is_valid(const char *label)
{
	size_t n = 0;

	if (!is_alnum(label[0]))
		return false;
	for (; label[n]; n++) {
		bool ok = is_alnum(label[n]) || label[n] == '_' || label[n] == '.' ||
			  label[n] == '-';

		if (!ok || n == SKS_LABEL_MAX)
			return false;
	}
	return true;
}
