/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the helper's log: lines on stderr with the syslog priority that systemd reads. */
#ifndef SKSTEER_LOG_H
#define SKSTEER_LOG_H

#define SKS_LOG_ERR	3
#define SKS_LOG_WARNING 4
#define SKS_LOG_INFO	6

__attribute__((format(printf, 2, 3))) void sks_log(int priority, const char *format, ...);

#endif
