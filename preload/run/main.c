/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the course of sksteer-run: check, find or start the helper, become the command. */
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../common/text.h"
#include "beside.h"
#include "embed.h"
#include "engine.h"
#include "env.h"
#include "options.h"
#include "reach.h"
#include "vars.h"
#include "watch.h"

/* As env(1) has them. */
enum { EXIT_OWN = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

struct helper_path {
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	bool is_default; /* the library need not be told */
};

static int choose_socket(const struct sks_run_options *opts, struct helper_path *ret)
{
	const char *path = opts->socket, *inherited = getenv("SKSTEER_SOCKET");

	if (!path)
		path = inherited && *inherited ? inherited : SKS_SOCKET_PATH;
	ret->is_default = strcmp(path, SKS_SOCKET_PATH) == 0;
	return sks_socket_path(path, ret->path, sizeof(ret->path));
}

/* Says in one line why there is no helper, what follows (then), and what to do about it. */
static void say_unattended(int err, uint16_t theirs, const char *path, const char *then)
{
	bool default_path = strcmp(path, SKS_SOCKET_PATH) == 0;
	const char *option = default_path ? "" : " --socket ", *value = default_path ? "" : path;
	char mismatch[SKS_REPLY_TEXT];
	struct sks_text text;

	sks_text_init(&text, mismatch, sizeof(mismatch));
	if (theirs) {
		sks_wire_mismatch(&text, path, theirs, "sksteer-run");
		warnx("%s: %s", mismatch, then);
	} else if (sks_embed_is_absent(err) && geteuid() == 0)
		warnx("no helper at %s, and none could be started: %s; "
		      "run sksteerd%s%s by hand to see why",
		      path, then, option, value);
	else if (sks_embed_is_absent(err))
		warnx("no helper at %s: %s; start one as root: sksteerd%s%s", path, then, option,
		      value);
	else if (err == -ETIMEDOUT)
		warnx("the helper at %s does not answer: %s", path, then);
	else
		warnx("the helper at %s: %s: %s", path, strerror(-err), then);
}

/* 0: a helper attends to us. Else it was said why none does. */
static int find_helper(const char *path, const char *then, bool verbose)
{
	struct sks_reply reply;
	bool started = false;
	int err;

	err = sks_embed_attend(path, &reply);
	if (sks_embed_is_absent(err) && geteuid() == 0) {
		started = true;
		err = sks_embed_start(path, &reply);
	}
	if (err) {
		say_unattended(err, err == -EPROTO ? reply.version : 0, path, then);
		return err;
	}
	if (reply.err) {
		warnx("the helper at %s: %s: %s", path,
		      reply.text[0] ? reply.text : strerror(-reply.err), then);
		return reply.err;
	}
	if (verbose)
		warnx("%s a helper at %s", started ? "started" : "found", path);
	return 0;
}

static int exit_not_started(const char *command, int err)
{
	warnx("%s: %s", command, strerror(err));
	return err == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

/*
 * A command that can't be executed must not cost the start of a helper. 0 or an exit status.
 * *ret_engine is SKS_ENGINE_AUTO where none can reach it.
 */
static int check_command(const struct sks_run_options *opts, bool strict,
			 enum sks_engine *ret_engine)
{
	char path[PATH_MAX];
	int err;

	err = sks_run_resolve(opts->command[0], path, sizeof(path));
	if (err)
		return exit_not_started(opts->command[0], -err);
	*ret_engine = sks_engine_choose(opts, path, strict);
	return *ret_engine == SKS_ENGINE_AUTO && strict ? EXIT_OWN : 0;
}

static const char *without_helper(const struct sks_run_options *opts, bool strict)
{
	if (strict)
		return "nothing started (--strict)";
	return opts->spec || opts->label ? "starting unsteered" : "starting without it";
}

/* library NULL: the supervisor. 0 or an exit status. */
static int start_engine(const struct sks_run_options *opts, const char *library,
			const struct helper_path *helper, bool attended, bool strict, char **argv)
{
	const char *socket = helper->is_default ? NULL : helper->path;
	int err;

	if (sks_run_env_set(opts, library, socket, !attended) < 0)
		return EXIT_OWN;
	if (library) {
		if (opts->verbose)
			warnx("preloading %s", library);
		return 0;
	}
	err = sks_watch_start(argv);
	sks_run_env_forget();
	if (err && (strict || err == -ECANCELED)) {
		warnx("nothing started%s", strict ? " (--strict)" : "");
		return EXIT_OWN;
	}
	if (err)
		warnx("%s",
		      opts->spec || opts->label ? "starting unsteered" : "starting without it");
	return 0;
}

int main(int argc, char **argv)
{
	struct sks_run_options opts;
	struct helper_path helper;
	char library[PATH_MAX];
	enum sks_engine engine;
	const char *inherited;
	bool strict, preloads;
	int err;

	err = sks_run_options_parse(argc, argv, &opts);
	if (err)
		return err == -ECANCELED ? EXIT_SUCCESS : EXIT_OWN;
	inherited = getenv("SKSTEER_STRICT");
	strict = opts.strict || (inherited && strcmp(inherited, "1") == 0);

	if (choose_socket(&opts, &helper) < 0)
		return EXIT_OWN;
	err = check_command(&opts, strict, &engine);
	if (err)
		return err;
	preloads = engine != SKS_ENGINE_SECCOMP;
	if (preloads &&
	    sks_run_beside("libsksteer.so", SKS_LIBDIR, R_OK, library, sizeof(library)) < 0) {
		warnx("libsksteer.so is neither next to sksteer-run nor in %s", SKS_LIBDIR);
		return EXIT_OWN;
	}

	err = find_helper(helper.path, without_helper(&opts, strict), opts.verbose);
	if (err && strict)
		return EXIT_OWN;
	err = start_engine(&opts, preloads ? library : NULL, &helper, err == 0, strict, argv);
	if (err)
		return err;
	(void)execvp(opts.command[0], opts.command);
	return exit_not_started(opts.command[0], errno);
}
