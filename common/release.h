/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the version that people know: packaging/sksteer.pc.in says the same. */
#ifndef SKSTEER_RELEASE_H
#define SKSTEER_RELEASE_H

#define SKS_RELEASE "0"

#endif
