/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how verbs that go on until they are interrupted wait. */
#ifndef SKSTEER_CTL_AWAIT_H
#define SKSTEER_CTL_AWAIT_H

enum sks_end {
	SKS_GOES_ON,
	SKS_TOLD_TO_END, /* by a signal, or since nobody reads, or nothing takes, what we write */
	SKS_AT_END,	 /* there is nothing more to come */
};

/* SIGINT and SIGTERM as a descriptor, which the caller owns; < 0 after having said why not. */
int sks_await_signals(void);

/* Until fd (which may be -1) can be read, for ms (-1: for ever), or until we are told to end. */
enum sks_end sks_await(int fd, int signals, int ms);

#endif
