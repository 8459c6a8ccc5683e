/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the choice between the two ways to reach a program's sockets. */
#include "engine.h"

#include <err.h>
#include <limits.h>

#include "filter.h"
#include "reach.h"

static const char *consequence(enum sks_reach reach)
{
	return reach == SKS_REACH_SECURE ? "a preload is ignored there"
					 : "a preload cannot reach it";
}

static enum sks_engine choose_auto(enum sks_reach reach)
{
	if (reach == SKS_REACH_PRELOAD)
		return SKS_ENGINE_PRELOAD;
	/* An unprivileged filter takes away the very rights that the program is to gain. */
	if (reach == SKS_REACH_SECURE && !sks_filter_is_privileged())
		return SKS_ENGINE_AUTO;
	return SKS_ENGINE_SECCOMP;
}

enum sks_engine sks_engine_choose(const struct sks_run_options *opts, const char *path, bool strict)
{
	const char *why, *then = strict ? "; nothing started (--strict)" : "";
	enum sks_engine engine = opts->engine;
	char program[PATH_MAX];
	enum sks_reach reach = sks_run_reach(path, program, sizeof(program), &why);

	if (engine == SKS_ENGINE_AUTO)
		engine = choose_auto(reach);
	if (engine == SKS_ENGINE_AUTO) {
		warnx("%s %s: %s, and --engine seccomp would take those rights from it%s", program,
		      why, consequence(reach), then);
	} else if (engine == SKS_ENGINE_PRELOAD && reach != SKS_REACH_PRELOAD) {
		warnx("%s %s: %s%s", program, why, consequence(reach), then);
		return SKS_ENGINE_AUTO;
	} else if (engine == SKS_ENGINE_SECCOMP && reach == SKS_REACH_SECURE &&
		   !sks_filter_is_privileged()) {
		warnx("%s %s: it runs without those rights under --engine seccomp", program, why);
	} else if (opts->verbose && engine == SKS_ENGINE_SECCOMP) {
		warnx("engine seccomp%s%s%s%s", why ? ": " : "", why ? program : "", why ? " " : "",
		      why ? why : "");
	}
	return engine;
}
