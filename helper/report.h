/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what `status` says of a namespace, read from its maps: by the helper, or by root without it.
 */
#ifndef SKSTEER_REPORT_H
#define SKSTEER_REPORT_H

#include <json-c/json.h>
#include <stdint.h>

#include "pins.h"
#include "store.h"

#define SKS_UID_ALL 0xffffffffu

/*
 * {"namespace": INO, "services": […]} of the current state: the services of uid, or all of them
 * for SKS_UID_ALL; of that label, or, where it is "", of all. Sockets that are closed, and
 * ephemeral services that have none, are not in it, whether or not a helper is there to have
 * noticed. The caller puts it. NULL: out of memory.
 */
struct json_object *sks_report(const struct sks_space *space, uint32_t uid, const char *label);

/* Of a registered socket, as it is there among "sockets". */
struct json_object *sks_report_socket(const struct sks_space *space, uint32_t slot, uint32_t epoch);

/*
 * The same of what is pinned for a namespace below dir, with the services of everybody. 0, -ENOENT:
 * nothing is loaded there; -EUCLEAN: another map layout, or damaged, of which ret_why says more in
 * one line; -ENOMEM, or why the pins can't be read.
 */
int sks_report_pins(const char *dir, uint64_t ino, struct json_object **ret_report,
		    char ret_why[SKS_PINS_WHYLEN]);

#endif
