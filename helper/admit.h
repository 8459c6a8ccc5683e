/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns what becomes of a socket that a server registers: whether a clause speaks of it, and whether
 * its instance serves the label, waits, or serves it together with others.
 */
#ifndef SKSTEER_ADMIT_H
#define SKSTEER_ADMIT_H

#include "instance.h"
#include "request.h"
#include "socket.h"

struct sks_arrival {
	struct sks_asked *asked;
	struct sks_space *space;
	struct sks_socket socket;
	struct sks_instance instance;
};

/* Registers it, or (CHECK) says whether it would be. 0, or an errno with a text. */
int sks_admit(struct sks_arrival *arrival);

#endif
