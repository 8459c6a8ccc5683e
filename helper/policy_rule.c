// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns which rule decides for whom (see policy_rule.h). */
#include <fnmatch.h>

#include "groups.h"
#include "policy_rule.h"

/* The built-in rule: what a user has of whom no file speaks. */
static const uint32_t builtin[SKS_POLICY_KEYS] = {
	[SKS_POLICY_MAX_PORTS] = 256, [SKS_POLICY_MAX_SOCKETS] = 64, [SKS_POLICY_MAX_LABELS] = 16,
	[SKS_POLICY_ANY] = 1,	      [SKS_POLICY_WIDE] = 0,	     [SKS_POLICY_SHADOW] = 0,
	[SKS_POLICY_SHARE] = 1,
};

static bool speaks_of(const struct sks_policy_section *section, const struct sks_peer *peer)
{
	switch (section->of) {
	case SKS_POLICY_OF_USER:
		return section->id == peer->uid;
	case SKS_POLICY_OF_GROUP:
		return sks_peer_has_group(peer, section->id);
	default:
		return true;
	}
}

/* NULL: the built-in rule decides. */
static const struct sks_policy_section *find(const struct sks_policy_file *file,
					     const struct sks_peer *peer, enum sks_policy_key key)
{
	const struct sks_policy_section *found = NULL;

	for (size_t i = 0; i < file->n_sections; i++) {
		const struct sks_policy_section *section = &file->sections[i];

		/* The kinds are in the order in which they go before each other. */
		if (section->lines[key] && (!found || section->of < found->of) &&
		    speaks_of(section, peer))
			found = section;
	}
	return found;
}

static void set_line(unsigned int *ret_line, const struct sks_policy_section *section,
		     enum sks_policy_key key)
{
	if (ret_line)
		*ret_line = section ? section->lines[key] : 0;
}

uint32_t sks_policy_value(const struct sks_policy_file *file, const struct sks_peer *peer,
			  enum sks_policy_key key, unsigned int *ret_line)
{
	const struct sks_policy_section *section = find(file, peer, key);

	set_line(ret_line, section, key);
	return section ? section->values[key] : builtin[key];
}

static bool is_of(const struct sks_policy_file *file, const struct sks_policy_item *item,
		  const struct sks_policy_section *section, enum sks_policy_key key)
{
	return item->key == key && &file->sections[item->section] == section;
}

bool sks_policy_allows_label(const struct sks_policy_file *file, const struct sks_peer *peer,
			     const char *label, unsigned int *ret_line)
{
	const struct sks_policy_section *section = find(file, peer, SKS_POLICY_LABELS);

	set_line(ret_line, section, SKS_POLICY_LABELS);
	for (size_t i = 0; section && i < file->n_items; i++) {
		const struct sks_policy_item *item = &file->items[i];

		if (is_of(file, item, section, SKS_POLICY_LABELS) && !fnmatch(item->glob, label, 0))
			return true;
	}
	return !section;
}

bool sks_policy_allows_prefix(const struct sks_policy_file *file, const struct sks_peer *peer,
			      const struct sks_prefix *prefix, unsigned int *ret_line)
{
	const struct sks_policy_section *section = find(file, peer, SKS_POLICY_PREFIXES);

	set_line(ret_line, section, SKS_POLICY_PREFIXES);
	for (size_t i = 0; section && i < file->n_items; i++) {
		const struct sks_policy_item *item = &file->items[i];

		if (is_of(file, item, section, SKS_POLICY_PREFIXES) &&
		    sks_prefix_contains(&item->prefix, prefix))
			return true;
	}
	return !section;
}

static bool holds(const struct sks_target *target, uint8_t proto, const struct sks_prefix *place,
		  uint16_t port)
{
	return target->proto == proto && target->first <= port && port <= target->last &&
	       (target->where != SKS_WHERE_PREFIX ||
		sks_prefix_contains(&target->where_prefix, place));
}

const struct sks_policy_item *sks_policy_grant(const struct sks_policy_file *file,
					       const struct sks_peer *peer, uint8_t proto,
					       const struct sks_prefix *place, uint16_t port)
{
	for (size_t i = 0; i < file->n_items; i++) {
		const struct sks_policy_item *item = &file->items[i];

		if (item->key == SKS_POLICY_PORTS && holds(&item->target, proto, place, port) &&
		    speaks_of(&file->sections[item->section], peer))
			return item;
	}
	return NULL;
}
