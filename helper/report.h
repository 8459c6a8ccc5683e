/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what `status` says of a namespace, read from its maps: by the helper, or by root without it.
 */
#ifndef SKSTEER_REPORT_H
#define SKSTEER_REPORT_H

#include <json-c/json.h>
#include <stdint.h>

#include "pins.h"
#include "resolve.h"
#include "store.h"

#define SKS_UID_ALL 0xffffffffu

/*
 * {"namespace": INO, "services": […]} of the current state: the services of uid, or all of them
 * for SKS_UID_ALL; of that label, or, where it is "", of all. Sockets that are closed, and
 * ephemeral services that have none, are not in it, whether or not a helper is there to have
 * noticed. The caller puts it. NULL: out of memory.
 */
struct json_object *sks_report(const struct sks_space *space, uint32_t uid, const char *label);

/* One of the "sockets" of a service, by the number of its slot, and one of its "bindings". */
struct json_object *sks_report_socket(const struct sks_space *space, uint32_t slot, uint32_t epoch);
struct json_object *sks_report_route(const struct sks_route *route);

/*
 * What read makes of what is pinned for a namespace below dir, once it is of one moment: read is
 * called again where it was not. 0, -ENOENT: nothing is loaded there; -EUCLEAN: another map layout,
 * or damaged, of which ret_why says more in one line; -ENOMEM: read returned NULL; or why the pins
 * can't be read.
 */
typedef struct json_object *sks_pins_reader(const struct sks_space *space, void *data);
int sks_pins_read(const char *dir, uint64_t ino, sks_pins_reader *read, void *data,
		  struct json_object **ret_report, char ret_why[SKS_PINS_WHYLEN]);

/*
 * The same of what is pinned for a namespace below dir, with the services of everybody. 0, or
 * an errno as from sks_pins_read().
 */
int sks_report_pins(const char *dir, uint64_t ino, struct json_object **ret_report,
		    char ret_why[SKS_PINS_WHYLEN]);

#endif
