/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what is said where one end of the wire is older than the other: which to update. */
#include "text.h"
#include "wire.h"

void sks_wire_mismatch(struct sks_text *text, const char *path, uint16_t theirs, const char *ours)
{
	sks_text_str(text, "sksteerd at ");
	sks_text_str(text, path);
	sks_text_str(text, " speaks version ");
	sks_text_uint(text, theirs);
	sks_text_str(text, " of the wire, ");
	sks_text_str(text, ours);
	sks_text_str(text, " version ");
	sks_text_uint(text, SKS_WIRE_VERSION);
	sks_text_str(text, ": update ");
	sks_text_str(text, theirs < SKS_WIRE_VERSION ? "and restart sksteerd" : ours);
	sks_text_str(text, ", the older one");
}
