/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the single variables by which whoever starts a server, sksteer-run or sksteerctl, speaks to
 * the preloaded library, and where its socket is.
 */
#ifndef SKSTEER_RUN_VARS_H
#define SKSTEER_RUN_VARS_H

#include <stddef.h>

/* value NULL: unset, so that an outer word does not hold for this command. 0 or -errno. */
int sks_var_set(const char *name, const char *value);
/* Puts the library before what is preloaded anyway. 0; -EINVAL: said why it can't be; or -errno. */
int sks_var_set_preload(const char *library);
/* A fresh SKSTEER_INSTANCE. 0 or -errno. */
int sks_var_set_instance(void);

/*
 * The absolute path of the helper's socket, since the server may change its directory before it
 * binds. 0, or -errno after having said why.
 */
int sks_socket_path(const char *path, char *ret_path, size_t size);

#endif
