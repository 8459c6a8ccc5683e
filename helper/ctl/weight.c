/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns `sksteerctl weight`: which share of a label's connections one of its processes gets. */
#include <err.h>
#include <errno.h>
#include <string.h>

#include "../../common/text.h"
#include "ctl.h"

static int check_number(const struct sks_ctl *ctl, const char *text, uint32_t min, uint32_t max,
			const char *what, uint32_t *ret_number)
{
	if (!sks_uint_parse(text, strlen(text), max, ret_number) && *ret_number >= min)
		return 0;
	warnx("%s: \"%s\" is not a %s from %u to %u", ctl->verb, text, what, min, max);
	return -EINVAL;
}

int sks_ctl_weight(const struct sks_ctl *ctl)
{
	struct sks_request req = { .op = SKS_OP_WEIGHT };
	const char *label = ctl->operands[0];
	uint32_t weight;

	if (sks_ctl_check_label(ctl, label) ||
	    check_number(ctl, ctl->operands[1], 1, INT32_MAX, "process id", &req.pid) ||
	    check_number(ctl, ctl->operands[2], 0, UINT16_MAX, "weight", &weight))
		return SKS_CTL_USAGE;
	req.weight = (uint16_t)weight;
	memcpy(req.label, label, strlen(label));
	return sks_ctl_request(ctl, &req, NULL);
}
