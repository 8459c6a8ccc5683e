/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns `sksteerctl unregister`: a label and all that it has steered end, its servers run on. */
#include <string.h>

#include "ctl.h"

int sks_ctl_unregister(const struct sks_ctl *ctl)
{
	struct sks_request req = { .op = SKS_OP_UNREGISTER };
	const char *label = ctl->operands[0];

	if (sks_ctl_check_label(ctl, label))
		return SKS_CTL_USAGE;
	memcpy(req.label, label, strlen(label));
	return sks_ctl_request(ctl, &req, NULL);
}
