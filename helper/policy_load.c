// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns which policy file is in force: read at the start, and again when the helper is told to. */
#include <errno.h>
#include <stddef.h>

#include "log.h"
#include "policy.h"
#include "policy_load.h"
#include "subids.h"

static struct sks_policy_file in_force = { .path = SKS_POLICY_PATH };
static const char *named; /* by --policy */

/* 0: *ret_file is to be in force; *ret_there: there is a file. */
static int read_file(struct sks_policy_file *ret_file, bool *ret_there,
		     char why[SKS_POLICY_WHY_SIZE])
{
	int err = sks_policy_file_read(named ?: SKS_POLICY_PATH, ret_file, NULL, why);

	*ret_there = !err;
	if (err != -ENOENT || named)
		return err;
	*ret_file = (struct sks_policy_file){ .path = SKS_POLICY_PATH };
	return 0;
}

int sks_policy_load(const char *path)
{
	char why[SKS_POLICY_WHY_SIZE];
	bool there;
	int err;

	named = path;
	sks_subids_load();
	err = read_file(&in_force, &there, why);
	if (err)
		sks_log(SKS_LOG_ERR, "%s", why);
	else
		sks_policy_use(&in_force);
	return err;
}

void sks_policy_reload(void)
{
	char why[SKS_POLICY_WHY_SIZE];
	struct sks_policy_file file;
	bool there;

	sks_subids_load();
	if (read_file(&file, &there, why)) {
		sks_log(SKS_LOG_ERR, "%s; the policy in force stays", why);
		return;
	}
	sks_policy_file_free(&in_force);
	in_force = file;
	if (there)
		sks_log(SKS_LOG_INFO, "%s is in force as it is now", file.path);
	else
		sks_log(SKS_LOG_WARNING, "there is no %s: the built-in rule is in force",
			file.path);
}
