/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns who watches, and what becomes of an event that finds no room: nobody is ever waited for. The
 * queue of each is its socket's.
 */
#ifndef SKSTEER_WATCHERS_H
#define SKSTEER_WATCHERS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#define SKS_WATCHERS_MAX    64u
#define SKS_WATCHERS_KEPT   16u /* for root */
#define SKS_WATCHERS_A_USER 4u

/* Is it worth putting events into words? */
bool sks_watchers_any(void);

/*
 * To all that may know of that user's services in that namespace; UINT32_MAX: of nobody's, so only
 * who sees everybody's. event goes with it.
 */
void sks_watchers_tell(uint64_t netns_ino, uint32_t uid, struct json_object *event);

/* Says to who has room again how many events were lost, and forgets who has gone. */
void sks_watchers_settle(void);

/* "time", "event", "namespace": what each begins with. */
struct json_object *sks_watchers_event(const char *name, uint64_t netns_ino);

#endif
