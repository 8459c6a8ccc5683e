/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the environment asked for: a copy, made once, before the server can overwrite it. */
#ifndef SKSTEER_CONFIG_H
#define SKSTEER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/wire.h"
#include "log.h"

/* Sets of protocols. */
#define SKS_TCP 1u
#define SKS_UDP 2u

struct sks_config {
	char spec[SKS_SPEC_MAX + 1]; /* empty when only a label, or an instance, is given */
	uint32_t spec_len;
	char label[SKS_LABEL_SIZE]; /* NUL-padded, as on the wire */
	uint8_t instance[SKS_INSTANCE_SIZE];
	uint16_t mode;	 /* enum sks_mode */
	uint16_t weight; /* of SKS_MODE_JOIN, else 0 */
	bool strict;
	bool told;	  /* sksteer-run has already said that there is no helper */
	char socket[128]; /* more than a socket's path can have: too long a one is refused, not cut */
	struct sks_log log;

	uint8_t named;	 /* protocols with a clause that names its listener */
	uint8_t unnamed; /* protocols with a clause that does not */
	/* Protocols in which every listener is meant, for the label has a spec that we do not know.
	 */
	uint8_t every;
	/* Protocols with "*" or a wide range: the helper leaves out what all other listeners hold. */
	uint8_t wide;

	/* Why nothing can be steered, and what is merely ignored; empty: there is no such thing. */
	char error[SKS_SPEC_ERROR_SIZE + 32];
	char warning[160];
};

/*
 * NULL: the library has nothing to do in this process. Without a clause (named and unnamed are 0)
 * only binds that were denied are its business. The answer never changes, except that calls
 * which arrive while another thread copies the environment get NULL too.
 */
const struct sks_config *sks_config_get(void);

#endif
