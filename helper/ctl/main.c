/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns sksteerctl's command line: its options, and which verb they are for. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../bpf.h"
#include "ctl.h"
#include "values.h"
#include "verbs.h"

#define DEFAULT_BPFFS	"/sys/fs/bpf/sksteer"
#define DEFAULT_TIMEOUT 30
#define DEFAULT_DRAIN	10
#define DEFAULT_EVERY	2

enum {
	OPT_SOCKET = 256, /* beyond every short option */
	OPT_BPFFS,
	OPT_NETNS,
	OPT_JSON,
	OPT_ALL,
	OPT_SIGNAL,
	OPT_TIMEOUT,
	OPT_DRAIN,
	OPT_READY,
	OPT_POLICY,
	OPT_PID,
	OPT_FD,
	OPT_PORT,
	OPT_HTTP,
	OPT_WATCH,
	OPT_DRY_RUN,
	OPT_ALLOW_EMPTY,
};

static const char help_text[] =
	"Usage: sksteerctl [OPTION]... VERB [ARGUMENT]...\n"
	"Look at, and change, what sksteer steers in this network namespace.\n"
	"\n"
	"  status [LABEL] [--json] [--all]  services, and what is steered to them\n"
	"  lookup PROTO ADDR PORT [from ADDR:PORT]\n"
	"                                   say who would get a connection, and why\n"
	"  bind LABEL SPEC...               steer more to a label's server\n"
	"  unbind LABEL SPEC...             steer less to it\n"
	"  apply FILE [OPTION]...           make what is bound to labels what a file lists\n"
	"  upgrade LABEL [OPTION]... -- COMMAND...\n"
	"                                   put a new server in the place of the running one\n"
	"  weight LABEL PID N               share a label's connections otherwise\n"
	"  register LABEL [OPTION]...       steer to sockets that are there already\n"
	"  unregister LABEL                 take a label out, with all its bindings\n"
	"  unload                           take everything out of this network namespace\n"
	"  metrics [--all] [--http]         the same numbers for Prometheus\n"
	"  watch [--json] [--all]           what happens, as it happens\n"
	"  policy check FILE                find what is wrong with a policy file\n"
	"  policy explain USER SPEC         say what it gives to whom, and by which rule\n"
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
	"Exit status: 0 done, 1 refused or failed, 2 wrong usage. More in sksteerctl(8).\n";

static const struct option long_options[] = {
	{ "socket", required_argument, NULL, OPT_SOCKET },
	{ "bpffs", required_argument, NULL, OPT_BPFFS },
	{ "netns", required_argument, NULL, OPT_NETNS },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "all", no_argument, NULL, OPT_ALL },
	{ "signal", required_argument, NULL, OPT_SIGNAL },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "drain", required_argument, NULL, OPT_DRAIN },
	{ "ready", required_argument, NULL, OPT_READY },
	{ "policy", required_argument, NULL, OPT_POLICY },
	{ "pid", required_argument, NULL, OPT_PID },
	{ "fd", required_argument, NULL, OPT_FD },
	{ "port", required_argument, NULL, OPT_PORT },
	{ "http", no_argument, NULL, OPT_HTTP },
	{ "watch", optional_argument, NULL, OPT_WATCH },
	{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
	{ "allow-empty", no_argument, NULL, OPT_ALLOW_EMPTY },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* Of which verbs an option is, where it is not of all. */
static const struct {
	int option;
	const char *name;
	const char *verbs; /* with ", " between them */
} own_options[] = {
	{ OPT_JSON, "--json", "status, lookup, watch" },
	{ OPT_ALL, "--all", "status, metrics, watch" },
	{ OPT_SIGNAL, "--signal", "upgrade" },
	{ OPT_TIMEOUT, "--timeout", "upgrade" },
	{ OPT_DRAIN, "--drain", "upgrade" },
	{ OPT_READY, "--ready", "upgrade" },
	{ OPT_POLICY, "--policy", "policy" },
	{ OPT_PID, "--pid", "register" },
	{ OPT_FD, "--fd", "register" },
	{ OPT_PORT, "--port", "register" },
	{ OPT_HTTP, "--http", "metrics" },
	{ OPT_WATCH, "--watch", "status" },
	{ OPT_DRY_RUN, "--dry-run", "apply" },
	{ OPT_ALLOW_EMPTY, "--allow-empty", "apply" },
};

struct command_line {
	struct sks_ctl ctl;
	const char *netns;
	unsigned int given; /* 1 << (OPT_... - OPT_SOCKET) */
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

static int take_path(const char *option, const char **ret)
{
	*ret = optarg;
	if (*optarg)
		return 0;
	warnx("%s: \"\" is not a path (see --help)", option);
	return -EINVAL;
}

static int take_fd(struct sks_ctl *ctl)
{
	uint32_t fd;
	int err = sks_value_number("--fd", optarg, 0, &fd);

	if (!err)
		ctl->fd = (int)fd;
	return err;
}

static int take_option(int c, const char *word, struct command_line *line)
{
	struct sks_ctl *ctl = &line->ctl;

	if (c >= OPT_SOCKET)
		line->given |= 1u << (c - OPT_SOCKET);
	switch (c) {
	case OPT_SOCKET:
		return take_path("--socket", &ctl->socket);
	case OPT_BPFFS:
		return take_path("--bpffs", &ctl->bpffs);
	case OPT_NETNS:
		line->netns = optarg;
		return 0;
	case OPT_JSON:
		ctl->json = true;
		return 0;
	case OPT_ALL:
		ctl->all = true;
		return 0;
	case OPT_SIGNAL:
		return sks_value_signal("--signal", optarg, &ctl->signal);
	case OPT_TIMEOUT:
		return sks_value_seconds("--timeout", optarg, 1, &ctl->timeout);
	case OPT_DRAIN:
		return sks_value_seconds("--drain", optarg, 0, &ctl->drain);
	case OPT_READY:
		ctl->ready = optarg;
		return 0;
	case OPT_POLICY:
		ctl->policy = optarg;
		return 0;
	case OPT_PID:
		return sks_value_number("--pid", optarg, 1, &ctl->pid);
	case OPT_FD:
		return take_fd(ctl);
	case OPT_PORT:
		return sks_value_port("--port", optarg, &ctl->port, &ctl->proto);
	case OPT_HTTP:
		ctl->http = true;
		return 0;
	case OPT_WATCH:
		ctl->every = DEFAULT_EVERY;
		return optarg ? sks_value_seconds("--watch", optarg, 1, &ctl->every) : 0;
	case OPT_DRY_RUN:
		ctl->dry_run = true;
		return 0;
	case OPT_ALLOW_EMPTY:
		ctl->allow_empty = true;
		return 0;
	case 'h':
		line->help = true;
		return 0;
	default:
		return complain_option(c, word);
	}
}

/*
 * Words are gathered at the front of argv, of which getopt has read that much by then; what comes
 * after "--" is upgrade's command, and more words for any other verb.
 */
static int gather(int argc, char **argv, struct command_line *line)
{
	int c, err = 0, n = 1;

	opterr = 0;
	while (!err && (c = getopt_long(argc, argv, "-:h", long_options, NULL)) != -1) {
		if (c == 1)
			argv[n++] = optarg;
		else
			err = take_option(c, argv[optind - 1], line);
	}
	if (n > 1 && strcmp(argv[1], "upgrade") == 0)
		line->ctl.command = argv + optind;
	else
		while (optind < argc)
			argv[n++] = argv[optind++];
	line->ctl.verb = n > 1 ? argv[1] : NULL;
	line->ctl.operands = argv + 2;
	line->ctl.n_operands = n - 2;
	return err;
}

static int parse(int argc, char **argv, struct command_line *line)
{
	const char *inherited = getenv("SKSTEER_SOCKET");

	line->ctl.socket = inherited && *inherited ? inherited : SKS_SOCKET_PATH;
	line->ctl.bpffs = DEFAULT_BPFFS;
	line->ctl.signal = SIGTERM;
	line->ctl.timeout = DEFAULT_TIMEOUT;
	line->ctl.drain = DEFAULT_DRAIN;
	line->ctl.fd = -1;
	return gather(argc, argv, line);
}

static const struct sks_verb *find_verb(const char *name)
{
	const struct sks_verb *verb = sks_verb_find(name);

	if (!verb)
		warnx("\"%s\" is no verb: one of " SKS_VERB_NAMES " (see --help)", name);
	return verb;
}

static bool is_among(const char *verbs, const char *name)
{
	size_t len = strlen(name);

	while (strncmp(verbs, name, len) != 0 || (verbs[len] && verbs[len] != ',')) {
		verbs = strchr(verbs, ' ');
		if (!verbs++)
			return false;
	}
	return true;
}

static int check_options(const struct sks_verb *verb, const struct command_line *line)
{
	for (size_t i = 0; i < sizeof(own_options) / sizeof(own_options[0]); i++) {
		if (is_among(own_options[i].verbs, verb->name) ||
		    !(line->given >> (own_options[i].option - OPT_SOCKET) & 1))
			continue;
		warnx("%s: %s is an option of %s", verb->name, own_options[i].name,
		      own_options[i].verbs);
		return -EINVAL;
	}
	return 0;
}

static int check_use(const struct sks_verb *verb, const struct command_line *line)
{
	const struct sks_ctl *ctl = &line->ctl;

	if (check_options(verb, line))
		return -EINVAL;
	if (ctl->command && !*ctl->command && ctl->n_operands <= verb->max) {
		warnx("%s: it takes %s (see %s --help)", ctl->verb, verb->needs, ctl->verb);
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

static int run(const struct sks_verb *verb, struct command_line *line)
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
	const struct sks_verb *verb = line->ctl.verb ? find_verb(line->ctl.verb) : NULL;

	if (line->ctl.verb && !verb)
		return SKS_CTL_USAGE;
	if (line->help) {
		(void)printf("%s%s", verb ? verb->help : help_text, options_text);
		return SKS_CTL_DONE;
	}
	if (!verb) {
		warnx("no verb is given: one of " SKS_VERB_NAMES " (see --help)");
		return SKS_CTL_USAGE;
	}
	return check_use(verb, line) ? SKS_CTL_USAGE : run(verb, line);
}

/* What we open must not be taken for a standard stream that we were started without. */
static void keep_standard_closed(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0) /* EBADF for whoever uses it, as if it were closed */
			(void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
	}
}

int main(int argc, char **argv)
{
	struct command_line line = { 0 };
	int status;

	keep_standard_closed();
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
