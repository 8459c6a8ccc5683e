// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the questions to a namespace's directory of pins that any version's can answer. */
#include <stdio.h>

#include "bpf.h"
#include "pins.h"

#define STAYS                                                              \
	"What is steered there stays so; to steer anything else, "         \
	"\"sksteerctl unload\" in that network namespace, then start its " \
	"servers anew"

bool sks_pins_outlive(const char *dir, uint64_t ino)
{
	uint32_t layout;
	uint64_t attached;

	return !sks_bpf_peek(dir, &layout, &attached) && attached != ino;
}

bool sks_pins_are_foreign(const char *dir, uint64_t ino, char ret_why[SKS_PINS_WHYLEN])
{
	char theirs[32] = "one unknown here";
	const char *which = "another", *update = "";
	uint32_t layout;
	uint64_t attached;

	if (sks_bpf_peek(dir, &layout, &attached) || layout == SKS_LAYOUT || attached != ino)
		return false;
	if (layout) {
		which = layout < SKS_LAYOUT ? "an older" : "a newer";
		update = layout < SKS_LAYOUT ? ", which is newer: update and restart sksteerd, if "
					       "it is older, too"
					     : ": update this one";
		(void)snprintf(theirs, sizeof(theirs), "%u", layout);
	}
	(void)snprintf(ret_why, SKS_PINS_WHYLEN,
		       "%s version of sksteer made the pins in %s: map layout %s, and this "
		       "version's is %u%s. " STAYS,
		       which, dir, theirs, SKS_LAYOUT, update);
	return true;
}

void sks_pins_say_damaged(const char *dir, const char *what, char ret_why[SKS_PINS_WHYLEN])
{
	(void)snprintf(ret_why, SKS_PINS_WHYLEN, "the pins in %s are damaged: %s. " STAYS, dir,
		       what);
}
