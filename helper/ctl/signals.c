/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the table of signals' names (see signals.h). */
#include "signals.h"

#include <signal.h>
#include <stddef.h>

#define NAME(name) [SIG##name] = #name

static const char *const names[] = {
	NAME(HUP),    NAME(INT),    NAME(QUIT),	 NAME(ILL),  NAME(TRAP), NAME(ABRT),
	NAME(BUS),    NAME(FPE),    NAME(KILL),	 NAME(USR1), NAME(SEGV), NAME(USR2),
	NAME(PIPE),   NAME(ALRM),   NAME(TERM),	 NAME(CHLD), NAME(CONT), NAME(STOP),
	NAME(TSTP),   NAME(TTIN),   NAME(TTOU),	 NAME(URG),  NAME(XCPU), NAME(XFSZ),
	NAME(PROF),   NAME(VTALRM), NAME(WINCH), NAME(POLL), NAME(PWR),	 NAME(SYS),
#ifdef SIGSTKFLT
	NAME(STKFLT),
#endif
};

const char *sks_signal_name(int sig)
{
	return sig > 0 && (size_t)sig < sizeof(names) / sizeof(*names) ? names[sig] : NULL;
}
