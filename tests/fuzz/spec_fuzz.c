/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the fuzzing of the grammar: any text is read within its bounds, and a target is sound. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "../../common/spec.h"
#include "fuzz.h"

static struct sks_target targets[SKS_SPEC_TARGETS];

static void check_error(const struct sks_spec_error *error, size_t size)
{
	size_t len = strnlen(error->text, sizeof(error->text));

	CHECK(len > 0 && len < sizeof(error->text));
	CHECK(error->offset < size || (size == 0 && error->offset == 0));
	for (size_t i = 0; i < len; i++)
		CHECK(error->text[i] >= ' ' && error->text[i] <= '~');
}

static void check_target(const struct sks_target *t)
{
	char text[SKS_TARGET_STRLEN];
	struct sks_spec_error error;
	struct sks_target again;
	size_t n;

	CHECK(t->first >= 1 && t->first <= t->last);
	CHECK(!t->all || (t->first == 1 && t->last == 65535));
	CHECK(t->proto == IPPROTO_TCP || t->proto == IPPROTO_UDP);
	CHECK((t->where == SKS_WHERE_PREFIX) == (t->where_prefix.family != AF_UNSPEC));
	CHECK(sks_prefix_is_canonical(&t->where_prefix));
	CHECK(sks_prefix_is_canonical(&t->listener_addr));
	CHECK(t->listener_port || t->listener_addr.family == AF_UNSPEC);
	CHECK(!t->listener_port ||
	      sks_target_names(t, t->proto, &t->listener_addr, t->listener_port));
	sks_target_format(t, text);
	CHECK(sks_spec_parse(text, strlen(text), &again, 1, &n, &error) == 0 && n == 1);
	CHECK(sks_target_equal(t, &again) && t->all == again.all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sks_spec_error error;
	size_t n = 0;
	int r;

	r = sks_spec_parse((const char *)data, size, targets, SKS_SPEC_TARGETS, &n, &error);
	CHECK(r == 0 || r == -EINVAL || r == -E2BIG);
	CHECK((r == -E2BIG) == (size > SKS_SPEC_MAX));
	if (r < 0)
		check_error(&error, size);
	else
		CHECK(n > 0);
	for (size_t i = 0; i < n; i++)
		check_target(&targets[i]);
	return 0;
}
