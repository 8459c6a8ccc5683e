/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the fuzzing of the policy file: any text is read within its bounds, refused in one line that
 * names its own, or understood, and then there is an answer for everybody.
 */
#include <errno.h>
#include <netinet/in.h>

#include "../../helper/policy_parse.h"
#include "../../helper/policy_rule.h"
#include "fuzz.h"

#define PATH "policy.conf"

static void check_error(const char *why)
{
	size_t len = strnlen(why, SKS_POLICY_WHY_SIZE);

	CHECK(len < SKS_POLICY_WHY_SIZE && !strncmp(why, PATH ":", strlen(PATH ":")));
	for (size_t i = 0; i < len; i++)
		CHECK(why[i] >= ' ' && why[i] <= '~');
}

static void check_item(const struct sks_policy_file *file, const struct sks_policy_item *item)
{
	const struct sks_target *target = &item->target;

	CHECK(item->section < file->n_sections && item->line);
	switch (item->key) {
	case SKS_POLICY_PORTS:
		CHECK(!target->listener_port && target->first && target->first <= target->last);
		CHECK(target->proto == IPPROTO_TCP || target->proto == IPPROTO_UDP);
		CHECK(sks_prefix_is_canonical(&target->where_prefix));
		break;
	case SKS_POLICY_PREFIXES:
		CHECK(item->prefix.family && sks_prefix_is_canonical(&item->prefix));
		break;
	case SKS_POLICY_LABELS:
		CHECK(memchr(item->glob, 0, sizeof(item->glob)) && *item->glob);
		break;
	default:
		CHECK(!"an item of a key that has none");
	}
}

static void check_rules(const struct sks_policy_file *file, uint32_t uid, gid_t gid)
{
	const struct sks_peer peer = { .uid = uid, .gid = gid, .groups = &gid, .n_groups = 1 };
	const struct sks_prefix place = { AF_INET, 32, { 192, 0, 2, 1 } };
	const struct sks_policy_item *grant;

	for (int key = SKS_POLICY_MAX_PORTS; key < SKS_POLICY_KEYS; key++) {
		uint32_t value = sks_policy_value(file, &peer, key, NULL);

		CHECK(key < SKS_POLICY_ANY || value <= 1);
	}
	(void)sks_policy_allows_label(file, &peer, "web", NULL);
	(void)sks_policy_allows_prefix(file, &peer, &place, NULL);
	grant = sks_policy_grant(file, &peer, IPPROTO_TCP, &place, 80);
	CHECK(!grant || (grant >= file->items && grant < file->items + file->n_items &&
			 grant->key == SKS_POLICY_PORTS && grant->target.first <= 80 &&
			 grant->target.last >= 80));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sks_policy_file file = { .path = PATH };
	char why[SKS_POLICY_WHY_SIZE] = "", *text = malloc(size + 1);
	int err;

	CHECK(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	err = sks_policy_parse(text, &file, why);
	CHECK(err == 0 || err == -EINVAL);
	if (err) {
		check_error(why);
		CHECK(!file.n_sections && !file.n_items);
	}
	for (size_t i = 0; i < file.n_items; i++)
		check_item(&file, &file.items[i]);
	check_rules(&file, 65534, 65534);
	check_rules(&file, 1, 1);
	sks_policy_file_free(&file);
	free(text);
	return 0;
}
