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
/*
 * For want of room for more of these, of which a namespace can have max: err is -ENOSPC, or why a
 * map could not grow (-ENOMEM, what the verifier said). Returns err.
 */
int sks_refuse_room(struct sks_verdict *verdict, int err, const char *what, unsigned int max);
/* No maps and program could be made or taken up for the namespace. Returns err. */
int sks_refuse_setup(struct sks_verdict *verdict, int err);
/* Appends a sentence to the text of a request that is granted. */
__attribute__((format(printf, 2, 3))) void sks_remark(struct sks_verdict *verdict,
						      const char *format, ...);

#endif
