/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the fuzzing of the list that SKS_OP_APPLY brings: whatever text it is, it is read within its
 * bounds, and what is listed is each label once, and each target once.
 */
#include <errno.h>
#include <netinet/in.h>

#include "../../helper/apply_text.h"
#include "fuzz.h"

static void check_verdict(const struct sks_verdict *verdict, int err)
{
	size_t len = strnlen(verdict->text, sizeof(verdict->text));

	CHECK(verdict->err == err && len > 0 && len < sizeof(verdict->text));
	for (size_t i = 0; i < len; i++)
		CHECK(verdict->text[i] >= ' ' && verdict->text[i] <= '~');
}

static struct sks_binding binding_of(const struct sks_target *target)
{
	struct sks_binding binding = {
		.first = target->first,
		.last = target->last,
		.proto = target->proto == IPPROTO_UDP ? SKS_UDP : SKS_TCP,
		.where = target->where,
		.family = target->where_prefix.family,
		.len = target->where_prefix.len,
	};

	memcpy(binding.addr, target->where_prefix.addr, sizeof(binding.addr));
	return binding;
}

static void check_listed(const struct sks_listed *listed)
{
	for (size_t i = 0; i < listed->n_labels; i++) {
		const struct sks_listed_label *label = &listed->labels[i];

		CHECK(sks_label_is_valid(label->name) && label->service == SKS_NO_SERVICE);
		CHECK(!i || strcmp(listed->labels[i - 1].name, label->name) < 0);
		CHECK(sks_listed_find(listed, label->name) == label);
	}
	for (size_t i = 0; i < listed->n_targets; i++) {
		const struct sks_listed_target *target = &listed->targets[i];
		struct sks_binding binding = binding_of(&target->target);

		CHECK(target->label < listed->n_labels && !target->target.listener_port);
		CHECK(sks_finder_find(listed->finder, &binding) == i + 1);
	}
}

/* Written as sksteerctl writes it, it takes no more room than is reckoned with, and is the same. */
static void check_again(const struct sks_listed *listed)
{
	size_t most = SKS_APPLY_LINE * (listed->n_labels + listed->n_targets), len = 0;
	char *text = malloc(most + 1), target[SKS_TARGET_STRLEN];
	struct sks_verdict verdict = {};
	struct sks_listed again;

	CHECK(text);
	for (size_t i = 0; i < listed->n_labels; i++) {
		len += (size_t)snprintf(text + len, most + 1 - len, "@%s\n",
					listed->labels[i].name);
		for (size_t k = 0; k < listed->n_targets; k++) {
			if (listed->targets[k].label == i)
				len += (size_t)snprintf(
					text + len, most + 1 - len, "%s\n",
					sks_target_format(&listed->targets[k].target, target));
		}
	}
	CHECK(len <= most);
	CHECK(!sks_apply_parse(text, len, &again, &verdict));
	CHECK(again.n_labels == listed->n_labels && again.n_targets == listed->n_targets);
	check_listed(&again);
	sks_listed_free(&again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct sks_verdict verdict = {};
	struct sks_listed listed;
	int err;

	CHECK(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	err = sks_apply_parse(text, size, &listed, &verdict);
	CHECK(err == 0 || err == -EINVAL || err == -E2BIG);
	if (err) {
		check_verdict(&verdict, err);
	} else {
		check_listed(&listed);
		/* So many of both take long to be put together. */
		if (listed.n_labels * listed.n_targets < 100000)
			check_again(&listed);
		sks_listed_free(&listed);
	}
	free(text);
	return 0;
}
