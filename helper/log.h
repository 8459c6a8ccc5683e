/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the helper's log: lines on stderr with the syslog priority that systemd reads. Each is one
 * line of printable ASCII. It waits for nobody: a line that finds no room is lost, and counted.
 */
#ifndef SKSTEER_LOG_H
#define SKSTEER_LOG_H

#include <stdint.h>

#define SKS_LOG_ERR	3
#define SKS_LOG_WARNING 4
#define SKS_LOG_INFO	6

/* What concerns the helper itself. Always written. */
__attribute__((format(printf, 2, 3))) void sks_log(int priority, const char *format, ...);

/*
 * What a user causes, as often as it likes: of a kind (which is the format, and must be a literal)
 * a few lines each while and user, then how many more there were.
 */
__attribute__((format(printf, 3, 4))) void sks_log_of(uint32_t uid, int priority,
						      const char *format, ...);

/* Says how many more there were where a while is over. Returns the ms until the next may be; -1:
 * there is none. */
int sks_log_settle(void);

#endif
