/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns which events there are, and what is said of each. Where nobody watches they cost a test. */
#ifndef SKSTEER_EVENTS_H
#define SKSTEER_EVENTS_H

#include <stdint.h>

#include "request.h"
#include "space.h"

/* A socket has joined its service. */
void sks_event_registered(const struct sks_space *space, uint32_t slot);
/*
 * Before the slot is freed: its socket is closed, or (why not NULL) is nobody's any more for that
 * reason; also that it was the last one of an instance that was replaced.
 */
void sks_event_closed(const struct sks_space *space, uint32_t slot, const char *why);
/* Before the next state becomes the current one: labels that are another running instance's in it. */
void sks_event_owners(const struct sks_space *space);
/* A request for ports was refused. */
void sks_event_denied(const struct sks_asked *asked);
void sks_event_namespace_gone(uint64_t netns_ino);

#endif
