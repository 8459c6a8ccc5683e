/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns what the helper and a service manager have to say to each other: which sockets it was passed
 * (sd_listen_fds(3)), and that it is ready (sd_notify(3)). Both are a few lines of a protocol that
 * systemd promises to keep, and libsystemd would load five libraries more into the helper.
 */
#ifndef SKSTEER_MANAGER_H
#define SKSTEER_MANAGER_H

/*
 * The listeners that were passed: the one at the path, the one by its abstract name. What was not
 * passed stays as it is. CLOEXEC non-blocking descriptors that the caller owns. -errno where
 * anything else was passed, which nobody would serve; the log says what.
 */
int sks_manager_listeners(const char *path, int *ret_listener, int *ret_named);

/* To be called while the helper may still open sockets. */
void sks_manager_open(void);

/* Says that the helper serves. At most once. */
void sks_manager_ready(void);

#endif
