/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the supervisor: two processes that hold the notifications of a command's system calls. One
 * answers, the other waits, and takes over should the first one end; each starts a new second one.
 * So a single death, at whatever instant, is one that the command does not notice. Neither is the
 * command's parent or child, in its session or on its terminal, and both end with the last process
 * that the filter is in.
 */
#ifndef SKSTEER_RUN_WATCH_H
#define SKSTEER_RUN_WATCH_H

/*
 * Starts it for this process, which is about to become the command, by the library's variables in
 * the environment, and puts the filter in force. argv is ours, to be written over in the
 * supervisor. 0, or -errno, where the command can be started as it is, without any filter, after
 * having said why; -ECANCELED: the command must not be started any more.
 */
int sks_watch_start(char **argv);

#endif
