/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns sksteerctl's command line: options, verbs, and the help of each. */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../bpf.h"
#include "ctl.h"

#define DEFAULT_BPFFS "/sys/fs/bpf/sksteer"

enum {
	OPT_SOCKET = 256, /* beyond every short option */
	OPT_BPFFS,
	OPT_NETNS,
	OPT_JSON,
	OPT_ALL,
};

struct verb {
	const char *name;
	int (*run)(const struct sks_ctl *ctl);
	int min, max; /* operands */
	const char *needs;
	const char *help;
};

static const struct verb verbs[] = {
	{ "status", sks_ctl_status, 0, 1, "at most a LABEL",
	  "Usage: sksteerctl status [LABEL] [--json] [--all] [OPTION]...\n"
	  "Show which services there are, where they listen, and what is steered to them:\n"
	  "the binding that wins comes first. Root reads the kernel's maps, so that this works\n"
	  "while the helper is down; others ask the helper and see their own services.\n"
	  "\n"
	  "  --json  everything, as one JSON object\n"
	  "  --all   every network namespace that is pinned below the --bpffs directory\n" },
	{ "bind", sks_ctl_bind, 2, INT32_MAX, "a LABEL and at least one SPEC",
	  "Usage: sksteerctl bind LABEL SPEC... [OPTION]...\n"
	  "Steer more to a label's server: the one that runs, and every one to come. All SPECs\n"
	  "take effect at once or not at all, and hold until they are unbound.\n"
	  "\n"
	  "  SPEC    7,77,777   8000-8100/udp   any:443   192.0.2.0/24:53   [2001:db8::/32]:53\n"
	  "\n"
	  "Without \"any:\" or a prefix, a port opens where the server itself listens. A target "
	  "that\n"
	  "another label of yours has moves over. A label is a server's SKSTEER_LABEL, or the -l "
	  "of\n"
	  "sksteer-run.\n" },
	{ "unbind", sks_ctl_unbind, 2, INT32_MAX, "a LABEL and at least one SPEC",
	  "Usage: sksteerctl unbind LABEL SPEC... [OPTION]...\n"
	  "Take bindings from a label, spelt as they were bound: all of them or, where one is not\n"
	  "there, none. Connections that are open stay so.\n" },
	{ "unload", sks_ctl_unload, 0, 0, "no argument",
	  "Usage: sksteerctl unload [OPTION]...\n"
	  "Take everything out of this network namespace: bindings, maps and program. Servers run\n"
	  "on, and their own ports with them. For root; also while no helper runs.\n" },
};

static const char help_text[] =
	"Usage: sksteerctl [OPTION]... VERB [ARGUMENT]...\n"
	"Look at, and change, what sksteer steers in this network namespace.\n"
	"\n"
	"  status [LABEL] [--json] [--all]  services, and what is steered to them\n"
	"  bind LABEL SPEC...               steer more to a label's server\n"
	"  unbind LABEL SPEC...             steer less to it\n"
	"  unload                           take everything out of this network namespace\n"
	"\n"
	"  VERB --help  says more of each.\n";

static const char options_text[] =
	"\n"
	"Options:\n"
	"  --netns NAME|PID  work in that network namespace, of `ip netns` or of a process\n"
	"  --socket PATH     the helper's socket; else $SKSTEER_SOCKET, else\n"
	"                    " SKS_SOCKET_PATH "\n"
	"  --bpffs DIR       where the helper pins (default " DEFAULT_BPFFS ")\n"
	"  -h, --help        show this help\n"
	"\n"
	"Exit status: 0 done, 1 refused or failed, 2 wrong usage.\n";

static const struct option long_options[] = {
	{ "socket", required_argument, NULL, OPT_SOCKET },
	{ "bpffs", required_argument, NULL, OPT_BPFFS },
	{ "netns", required_argument, NULL, OPT_NETNS },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "all", no_argument, NULL, OPT_ALL },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct command_line {
	struct sks_ctl ctl;
	const char *netns;
	bool help;
};

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

static int take_option(int c, const char *word, struct command_line *line)
{
	switch (c) {
	case OPT_SOCKET:
		line->ctl.socket = optarg;
		return 0;
	case OPT_BPFFS:
		line->ctl.bpffs = optarg;
		return 0;
	case OPT_NETNS:
		line->netns = optarg;
		return 0;
	case OPT_JSON:
		line->ctl.json = true;
		return 0;
	case OPT_ALL:
		line->ctl.all = true;
		return 0;
	case 'h':
		line->help = true;
		return 0;
	default:
		return complain_option(c, word);
	}
}

static int parse(int argc, char **argv, struct command_line *line)
{
	const char *inherited = getenv("SKSTEER_SOCKET");
	int c, err = 0;

	line->ctl.socket = inherited && *inherited ? inherited : SKS_SOCKET_PATH;
	line->ctl.bpffs = DEFAULT_BPFFS;
	opterr = 0;
	while (!err && (c = getopt_long(argc, argv, ":h", long_options, NULL)) != -1)
		err = take_option(c, argv[optind - 1], line);
	if (err || optind == argc)
		return err;
	line->ctl.verb = argv[optind];
	line->ctl.operands = argv + optind + 1;
	line->ctl.n_operands = argc - optind - 1;
	return 0;
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	warnx("\"%s\" is no verb: one of status, bind, unbind, unload (see --help)", name);
	return NULL;
}

static int check_use(const struct verb *verb, const struct sks_ctl *ctl)
{
	if (verb->run != sks_ctl_status && (ctl->json || ctl->all)) {
		warnx("%s: %s is an option of status", ctl->verb, ctl->json ? "--json" : "--all");
		return -EINVAL;
	}
	if (ctl->n_operands >= verb->min && ctl->n_operands <= verb->max)
		return 0;
	if (ctl->n_operands > verb->max)
		warnx("%s: unexpected argument \"%s\": it takes %s (see %s --help)", ctl->verb,
		      ctl->operands[verb->max], verb->needs, ctl->verb);
	else
		warnx("%s: it takes %s (see %s --help)", ctl->verb, verb->needs, ctl->verb);
	return -EINVAL;
}

static int run(const struct verb *verb, struct command_line *line)
{
	int err;

	if (line->netns && sks_ctl_enter(line->netns))
		return SKS_CTL_FAILED;
	err = sks_ctl_netns_ino(&line->ctl.netns_ino);
	if (err) {
		warnx("/proc/self/ns/net: %s", strerror(-err));
		return SKS_CTL_FAILED;
	}
	sks_bpf_set_log(NULL); /* what libbpf would print, we say ourselves */
	return verb->run(&line->ctl);
}

static int dispatch(struct command_line *line)
{
	const struct verb *verb = line->ctl.verb ? find_verb(line->ctl.verb) : NULL;

	if (line->ctl.verb && !verb)
		return SKS_CTL_USAGE;
	if (line->help) {
		(void)printf("%s%s", verb ? verb->help : help_text, options_text);
		return SKS_CTL_DONE;
	}
	if (!verb) {
		warnx("no verb is given: one of status, bind, unbind, unload (see --help)");
		return SKS_CTL_USAGE;
	}
	return check_use(verb, &line->ctl) ? SKS_CTL_USAGE : run(verb, line);
}

int main(int argc, char **argv)
{
	struct command_line line = { 0 };
	int status;

	if (parse(argc, argv, &line))
		return SKS_CTL_USAGE;
	status = dispatch(&line);
	/* A report cut short by a full disk must not pass for a whole one. */
	if (fflush(stdout) || ferror(stdout)) {
		warn("standard output");
		return SKS_CTL_FAILED;
	}
	return status;
}
