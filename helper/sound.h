/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the question whether what lies in a namespace's maps can be what a helper wrote. Asked once,
 * before anything else of them is looked at: the rest of the helper trusts every number that it
 * reads there.
 */
#ifndef SKSTEER_SOUND_H
#define SKSTEER_SOUND_H

#include "bpf.h"

#define SKS_SOUND_WHYLEN 128
/* What sks_bpf_open() means by -EUCLEAN where the layout is ours. */
#define SKS_SOUND_SHAPE "a map is not there, or has another shape"

/*
 * 0, or -EUCLEAN: ret_why names the first record that no helper can have left, wherever it was
 * killed. Writes nothing. Where a helper is at work meanwhile, a record that it was just giving to
 * somebody else may look so, too: look again.
 */
int sks_sound(const struct sks_maps *maps, char ret_why[SKS_SOUND_WHYLEN]);

#endif
