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

#include "beside.h"
#include "embed.h"
#include "env.h"
#include "options.h"
#include "reach.h"
#include "vars.h"

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
static void say_unattended(int err, const char *path, const char *then)
{
	bool default_path = strcmp(path, SKS_SOCKET_PATH) == 0;
	const char *option = default_path ? "" : " --socket ", *value = default_path ? "" : path;

	if (sks_embed_is_absent(err) && geteuid() == 0)
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
		say_unattended(err, path, then);
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

/* A command that can't be executed must not cost the start of a helper. 0 or an exit status. */
static int check_command(const struct sks_run_options *opts, bool strict)
{
	char path[PATH_MAX], program[PATH_MAX];
	const char *why;
	int err;

	err = sks_run_resolve(opts->command[0], path, sizeof(path));
	if (err)
		return exit_not_started(opts->command[0], -err);
	why = sks_run_unreachable(path, program, sizeof(program));
	if (!why)
		return 0;
	warnx("%s %s%s", program, why, strict ? "; nothing started (--strict)" : "");
	return strict ? EXIT_OWN : 0;
}

static const char *without_helper(const struct sks_run_options *opts, bool strict)
{
	if (strict)
		return "nothing started (--strict)";
	return opts->spec || opts->label ? "starting unsteered" : "starting without it";
}

int main(int argc, char **argv)
{
	struct sks_run_options opts;
	struct helper_path helper;
	char library[PATH_MAX];
	const char *inherited;
	bool strict;
	int err;

	err = sks_run_options_parse(argc, argv, &opts);
	if (err)
		return err == -ECANCELED ? EXIT_SUCCESS : EXIT_OWN;
	inherited = getenv("SKSTEER_STRICT");
	strict = opts.strict || (inherited && strcmp(inherited, "1") == 0);

	if (choose_socket(&opts, &helper) < 0)
		return EXIT_OWN;
	if (sks_run_beside("libsksteer.so", SKS_LIBDIR, R_OK, library, sizeof(library)) < 0) {
		warnx("libsksteer.so is neither next to sksteer-run nor in %s", SKS_LIBDIR);
		return EXIT_OWN;
	}
	err = check_command(&opts, strict);
	if (err)
		return err;

	err = find_helper(helper.path, without_helper(&opts, strict), opts.verbose);
	if (err && strict)
		return EXIT_OWN;
	if (sks_run_env_set(&opts, library, helper.is_default ? NULL : helper.path, err != 0) < 0)
		return EXIT_OWN;
	if (opts.verbose)
		warnx("preloading %s", library);
	(void)execvp(opts.command[0], opts.command);
	return exit_not_started(opts.command[0], errno);
}
