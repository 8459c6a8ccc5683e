/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns which process a socket is shown to be of. */
#ifndef SKSTEER_CTL_OWNER_H
#define SKSTEER_CTL_OWNER_H

#include <json-c/json.h>

/*
 * Whoever registered a socket may have ended since (a daemon's first process), or was another one
 * from the beginning (a supervisor, sksteerctl itself): where it does not have the socket, and we
 * may see who has, "pid" is the topmost of those. "process" is the name of a process that we have
 * seen to have it.
 */
void sks_owner_correct(struct json_object *report);

#endif
