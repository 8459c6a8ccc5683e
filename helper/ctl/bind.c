/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns `sksteerctl bind` and `unbind`: what a label gets, or loses, beside its server's own spec. */
#include <err.h>
#include <errno.h>
#include <string.h>

#include "../../common/spec.h"
#include "../../common/text.h"
#include "ctl.h"

static int walk(const char *spec, struct sks_spec_error *ret_error)
{
	struct sks_spec_cursor cursor = { .text = spec, .len = strlen(spec) };
	struct sks_target target;
	int r;

	while ((r = sks_spec_next(&cursor, &target, ret_error)) > 0) {
		if (target.listener_port)
			return sks_spec_refuse(&cursor,
					       "a binding of a label names no listener: "
					       "only a server's own spec may",
					       ret_error);
	}
	return r;
}

/* Each argument is judged by itself, so that the place in an error is a place in what was typed. */
static int check_spec(const struct sks_ctl *ctl, const char *spec, int number)
{
	struct sks_spec_error error;
	int err = walk(spec, &error);

	if (err && ctl->n_operands > 2)
		warnx("%s: SPEC %d: %s", ctl->verb, number, error.text);
	else if (err)
		warnx("%s: %s", ctl->verb, error.text);
	return err;
}

/* One spec is one request, and so one change: all of it or nothing. */
static int join_specs(const struct sks_ctl *ctl, char joined[SKS_SPEC_MAX + 2])
{
	struct sks_text text;

	sks_text_init(&text, joined, SKS_SPEC_MAX + 2);
	for (int i = 1; i < ctl->n_operands; i++) {
		int err = check_spec(ctl, ctl->operands[i], i);

		if (err)
			return err;
		if (i > 1)
			sks_text_char(&text, ';');
		sks_text_str(&text, ctl->operands[i]);
	}
	if (text.pos <= SKS_SPEC_MAX)
		return 0;
	warnx("%s: all SPECs together have at most %u bytes", ctl->verb, SKS_SPEC_MAX);
	return -E2BIG;
}

static int change(const struct sks_ctl *ctl, enum sks_op op)
{
	struct sks_request req = { .op = (uint16_t)op };
	const char *label = ctl->operands[0];
	char spec[SKS_SPEC_MAX + 2];

	if (sks_ctl_check_label(ctl, label) || join_specs(ctl, spec))
		return SKS_CTL_USAGE;
	memcpy(req.label, label, strlen(label));
	return sks_ctl_request(ctl, &req, spec);
}

int sks_ctl_bind(const struct sks_ctl *ctl)
{
	return change(ctl, SKS_OP_BIND);
}

int sks_ctl_unbind(const struct sks_ctl *ctl)
{
	return change(ctl, SKS_OP_UNBIND);
}
