/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the names of signals: sigabbrev_np(3) is glibc's alone. */
#ifndef SKSTEER_CTL_SIGNALS_H
#define SKSTEER_CTL_SIGNALS_H

/* Without "SIG"; NULL: it has none. */
const char *sks_signal_name(int sig);

#endif
