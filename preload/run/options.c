/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the reading of sksteer-run's command line; what can't work is refused before it starts. */
#include "options.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "../../common/spec.h"
#include "../../common/text.h"

enum {
	OPT_REPLACE = 256, /* beyond every short option */
	OPT_JOIN,
	OPT_SHARE,
	OPT_STRICT,
	OPT_ENGINE,
	OPT_SOCKET,
};

static const struct option long_options[] = {
	{ "replace", no_argument, NULL, OPT_REPLACE },
	{ "join", optional_argument, NULL, OPT_JOIN },
	{ "share", no_argument, NULL, OPT_SHARE },
	{ "strict", no_argument, NULL, OPT_STRICT },
	{ "engine", required_argument, NULL, OPT_ENGINE },
	{ "socket", required_argument, NULL, OPT_SOCKET },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char help_text[] =
	"Usage: sksteer-run [OPTION]... [--] COMMAND [ARGUMENT]...\n"
	"Run an unmodified server and steer more ports and prefixes to its listeners.\n"
	"\n"
	"  -p SPEC          what to steer: 7,77,777   any:8000-8100   192.0.2.0/24:53/udp\n"
	"                   80=8000-8100;443=8443 (per listener)   '*' (every port)\n"
	"  -l LABEL         the service's name: its bindings outlive its sockets\n"
	"      --replace    take over from the label's running server, without a gap\n"
	"      --join[=W]   serve beside it, with weight W (0 to 65535, else 100)\n"
	"      --share      serve beside it by the very same sockets\n"
	"      --strict     no steering, no service: start nothing, or let bind(2) fail\n"
	"      --engine E   how COMMAND is reached: preload, by its libc; seccomp, by a\n"
	"                   supervisor of its system calls, and of all that it starts;\n"
	"                   auto (the default): seccomp if COMMAND is static, Go, or else\n"
	"                   out of a preload's reach\n"
	"      --socket PATH  the helper's socket; else $SKSTEER_SOCKET, else\n"
	"                   /run/sksteer/helper.sock\n"
	"  -v               say what is done\n"
	"  -h, --help       show this help\n"
	"\n"
	"--replace, --join and --share need -l. With and without -p and -l, COMMAND may bind\n"
	"those ports below 1024 itself that the helper's policy file grants its user. Exit\n"
	"status: 125 when sksteer-run itself fails, 126 when COMMAND cannot be executed, 127\n"
	"when it is not found, else COMMAND's own. More in sksteer-run(1) and sksteer(7).\n";

/* c is what getopt_long returned: ":" for a missing argument, "?" for anything else. */
static int complain_option(int c, const char *word)
{
	char short_option[] = { '-', (char)optopt, '\0' };
	const char *name = strncmp(word, "--", 2) == 0 ? word : short_option;

	if (c == ':')
		warnx("%s needs an argument (see --help)", name);
	else if (name == word && optopt)
		warnx("%s: takes no argument (see --help)", name);
	else
		warnx("%s: no such option (see --help)", name);
	return -EINVAL;
}

static int take_engine(enum sks_engine *ret_engine)
{
	static const char *const names[] = { "auto", "preload", "seccomp" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(optarg, names[i]) == 0) {
			*ret_engine = (enum sks_engine)i;
			return 0;
		}
	}
	warnx("--engine: \"%s\" is none of auto, preload, seccomp", optarg);
	return -EINVAL;
}

static int take_once(char option, const char **value)
{
	if (*value) {
		warnx("-%c is given twice%s", option,
		      option == 'p' ? ": join the clauses with \";\"" : "");
		return -EINVAL;
	}
	*value = optarg;
	return 0;
}

static int take_socket(const char **ret)
{
	*ret = optarg;
	if (*optarg)
		return 0;
	warnx("--socket: \"\" is not a path (see --help)");
	return -EINVAL;
}

static int take_mode(const char *mode, const char *weight, struct sks_run_options *opts)
{
	uint32_t parsed;

	if (*opts->mode) {
		warnx("--%s: only one of --replace, --join and --share can be, and --%s is given",
		      mode, opts->mode);
		return -EINVAL;
	}
	if (weight && sks_uint_parse(weight, strlen(weight), UINT16_MAX, &parsed)) {
		warnx("--join: \"%s\" is not a weight from 0 to %u", weight, UINT16_MAX);
		return -EINVAL;
	}
	(void)snprintf(opts->mode, sizeof(opts->mode), "%s%s%s", mode, weight ? "=" : "",
		       weight ? weight : "");
	return 0;
}

static int take_option(int c, const char *word, struct sks_run_options *opts)
{
	switch (c) {
	case 'p':
		return take_once('p', &opts->spec);
	case 'l':
		return take_once('l', &opts->label);
	case OPT_REPLACE:
		return take_mode("replace", NULL, opts);
	case OPT_JOIN:
		return take_mode("join", optarg, opts);
	case OPT_SHARE:
		return take_mode("share", NULL, opts);
	case OPT_STRICT:
		opts->strict = true;
		return 0;
	case OPT_ENGINE:
		return take_engine(&opts->engine);
	case OPT_SOCKET:
		return take_socket(&opts->socket);
	case 'v':
		opts->verbose = true;
		return 0;
	case 'h':
		(void)fputs(help_text, stdout);
		return -ECANCELED;
	default:
		return complain_option(c, word);
	}
}

static int check_spec(const char *spec)
{
	static struct sks_target targets[SKS_SPEC_TARGETS];
	struct sks_spec_error error;
	size_t n;
	int err;

	err = sks_spec_parse(spec, strlen(spec), targets, SKS_SPEC_TARGETS, &n, &error);
	if (err)
		warnx("-p: %s", error.text);
	return err ? -EINVAL : 0;
}

static int check_options(const struct sks_run_options *opts)
{
	if (!opts->command[0]) {
		warnx("no command is given (see --help)");
		return -EINVAL;
	}
	if (opts->label && !sks_label_is_valid(opts->label)) {
		warnx("-l: \"%s\" is not a label: a letter or digit, then up to %u letters, "
		      "digits, \"_\", \".\" or \"-\"",
		      opts->label, SKS_LABEL_MAX - 1);
		return -EINVAL;
	}
	if (*opts->mode && !opts->label) {
		warnx("--%s needs -l: only a service with a label can have a running server",
		      opts->mode);
		return -EINVAL;
	}
	return opts->spec ? check_spec(opts->spec) : 0;
}

int sks_run_options_parse(int argc, char **argv, struct sks_run_options *ret_options)
{
	struct sks_run_options opts = { 0 };
	int c, err;

	opterr = 0;
	/* "+": the command's own options are not ours. ":": a missing argument is told apart. */
	while ((c = getopt_long(argc, argv, "+:p:l:vh", long_options, NULL)) != -1) {
		err = take_option(c, argv[optind - 1], &opts);
		if (err)
			return err;
	}
	opts.command = argv + optind;
	err = check_options(&opts);
	if (err)
		return err;
	*ret_options = opts;
	return 0;
}
