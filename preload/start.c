/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what happens when a program is started under the library: little, since every program is. */
#include "config.h"
#include "dgram.h"
#include "real.h"

__attribute__((constructor)) static void start(void)
{
	const struct sks_config *config = sks_config_get();

	/* Sockets that were registered before exec(2) are known by nothing else. */
	if (config && config->spec_len && (config->named | config->unnamed) & SKS_UDP)
		(void)sks_udp_begin();
	/* Where there is nothing to do for us, too: every program calls shutdown(2). */
	sks_real_resolve();
}
