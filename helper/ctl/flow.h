/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns text that fits the screen: items that are broken into lines, and what is coloured. */
#ifndef SKSTEER_CTL_FLOW_H
#define SKSTEER_CTL_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum sks_colour { SKS_PLAIN, SKS_BOLD, SKS_RED, SKS_YELLOW };

struct sks_flow {
	FILE *to;
	size_t width;  /* of the screen */
	size_t column; /* where we are */
	size_t indent; /* where a line goes on */
	bool colours;
};

/* For a terminal its width and, unless NO_COLOR is set, colours; else 80 columns without. */
struct sks_flow sks_flow_for(FILE *to);

/* What others have named is made printable. A word is never broken. */
void sks_flow_put(struct sks_flow *flow, const char *text, enum sks_colour colour);
/* The same after a separator (blanks at its end at most), on a line of its own where it does not
 * fit. */
void sks_flow_item(struct sks_flow *flow, const char *separator, const char *text,
		   enum sks_colour colour);
/* Blanks up to that column. */
void sks_flow_pad(struct sks_flow *flow, size_t column);
void sks_flow_end(struct sks_flow *flow);

#endif
