/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the answer to a request: an errno and the one line that a person reads. */
#ifndef SKSTEER_VERDICT_H
#define SKSTEER_VERDICT_H

#include "../common/wire.h"

struct sks_verdict {
	int err; /* 0 or -errno */
	char text[SKS_REPLY_TEXT];
};

/* Sets both, cutting the text where it does not fit, and returns err. */
__attribute__((format(printf, 3, 4))) int sks_refuse(struct sks_verdict *verdict, int err,
						     const char *format, ...);
/* Appends a sentence to the text of a request that is granted. */
__attribute__((format(printf, 2, 3))) void sks_remark(struct sks_verdict *verdict,
						      const char *format, ...);

#endif
