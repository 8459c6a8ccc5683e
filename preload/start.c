/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what happens when a program is started under the library: little, since every program is. */
#include "config.h"
#include "real.h"

__attribute__((constructor)) static void start(void)
{
	(void)sks_config_get();
	/* Where there is nothing to do for us, too: every program calls shutdown(2). */
	sks_real_resolve();
}
