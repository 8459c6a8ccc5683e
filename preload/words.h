/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns what the calls of sksteer.h came to, a text for each thread that makes them. Thread-local
 * storage would be paid for by every program and thread under the library; this is mapped when it
 * is first needed.
 */
#ifndef SKSTEER_WORDS_H
#define SKSTEER_WORDS_H

#include "../common/wire.h"

struct sks_words {
	_Atomic int tid; /* 0: nobody's */
	int err;
	char text[SKS_REPLY_TEXT];
};

/* The calling thread's; NULL: no memory, or more threads at once than there is room for. */
struct sks_words *sks_words_get(void);

/* The instance that a program is which registers its sockets itself: kept by its children. */
const uint8_t *sks_words_instance(void);

#endif
