// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the helper's command line, its locks, and in which order it starts. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/wire.h"
#include "bpf.h"
#include "claims.h"
#include "inside.h"
#include "listen.h"
#include "loader.h"
#include "log.h"
#include "manager.h"
#include "policy_file.h"
#include "policy_load.h"
#include "process.h"
#include "roles.h"
#include "server.h"
#include "stranger.h"
#include "tally.h"

#define DEFAULT_BPFFS "/sys/fs/bpf/sksteer"

struct options {
	const char *socket;
	const char *bpffs;
	const char *policy; /* NULL: the default, if it is there */
	long idle_exit;	    /* seconds; < 0: none */
	int ready_fd;
};

static void usage(FILE *to)
{
	(void)fprintf(
		to,
		"usage: sksteerd [--socket PATH] [--bpffs DIR] [--policy FILE] [--idle-exit "
		"SECONDS]\n"
		"                [--ready-fd N]\n"
		"\n"
		"Steers the ports of servers that run with libsksteer.so (see sksteer-run).\n"
		"\n"
		"  --socket PATH        listen there (default %s)\n"
		"  --bpffs DIR          pin programs and maps below DIR (default %s)\n"
		"  --policy FILE        what users may have beyond the built-in rule (default\n"
		"                       %s, if it is there); read again on SIGHUP\n"
		"  --idle-exit SECONDS  unload everything and exit when nothing was left for so "
		"long\n"
		"  --ready-fd N         write a newline to descriptor N and close it when ready\n"
		"  -h, --help           show this help\n"
		"\n"
		"More in sksteerd(8) and sksteer-policy(5).\n",
		SKS_SOCKET_PATH, DEFAULT_BPFFS, SKS_POLICY_PATH);
}

static int take_number(const char *name, long max, long *ret)
{
	char *end;

	errno = 0;
	*ret = strtol(optarg, &end, 10);
	if (!errno && end != optarg && !*end && *ret >= 0 && *ret <= max)
		return 0;
	(void)fprintf(stderr, "sksteerd: --%s: \"%s\" is not a number from 0 to %ld\n", name,
		      optarg, max);
	return -EINVAL;
}

static int take_path(const char *name, const char **ret)
{
	*ret = optarg;
	if (*optarg)
		return 0;
	(void)fprintf(stderr, "sksteerd: --%s: \"\" is not a path\n", name);
	return -EINVAL;
}

static int take_option(int c, const char *name, struct options *opt)
{
	long number;
	int err;

	switch (c) {
	case 's':
		return take_path(name, &opt->socket);
	case 'b':
		return take_path(name, &opt->bpffs);
	case 'p':
		return take_path(name, &opt->policy);
	case 'i':
		return take_number(name, 86400, &opt->idle_exit);
	case 'r':
		err = take_number(name, 65535, &number);
		if (!err)
			opt->ready_fd = (int)number;
		return err;
	case 'h':
		usage(stdout);
		return 1;
	default:
		usage(stderr);
		return -EINVAL;
	}
}

/* 0, 1 for --help, -EINVAL (said already). */
static int parse_options(int argc, char **argv, struct options *opt)
{
	static const struct option longs[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "bpffs", required_argument, NULL, 'b' },
		{ "policy", required_argument, NULL, 'p' },
		{ "idle-exit", required_argument, NULL, 'i' },
		{ "ready-fd", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int c, err, index = 0;

	while ((c = getopt_long(argc, argv, "h", longs, &index)) != -1) {
		err = take_option(c, longs[index].name, opt);
		if (err)
			return err;
	}
	if (optind == argc)
		return 0;
	(void)fprintf(stderr, "sksteerd: unexpected argument \"%s\"\n", argv[optind]);
	return -EINVAL;
}

/* The directory of the socket, where it is one level below one that is there. */
static void make_parent(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	(void)snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return;
	*slash = '\0';
	(void)mkdir(dir, 0755);
}

/* Held for the helper's life: two of them would write the same maps. */
static int take_lock(const char *socket_path)
{
	CLEANUP_FD int fd = -1;
	char path[256];

	(void)snprintf(path, sizeof(path), "%s.lock", socket_path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
		return -errno;
	return sks_take_fd(&fd);
}

static int lock_pins(const char *dir)
{
	CLEANUP_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
		return -errno;
	return sks_take_fd(&fd);
}

static void log_libbpf(const char *text)
{
	size_t len = strlen(text);

	while (len && text[len - 1] == '\n')
		len--;
	sks_log(SKS_LOG_WARNING, "%.*s", (int)len, text);
}

static void say_ready(int fd)
{
	if (fd < 0)
		return;
	if (write(fd, "\n", 1) < 0)
		sks_log(SKS_LOG_WARNING, "--ready-fd: %s", strerror(errno));
	(void)close(fd);
}

/* As high as it goes: afterwards nothing goes higher. */
static void raise_limit(int resource)
{
	const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit limit;

	/* Beyond a hard limit needs CAP_SYS_RESOURCE, which not every root has. */
	if (!setrlimit(resource, &none) || getrlimit(resource, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(resource, &limit);
}

static int fail(const char *what, const char *quoted, int err)
{
	sks_log(SKS_LOG_ERR, "%s %s: %s", what, quoted, strerror(-err));
	return 1;
}

/* What the helper holds as long as it lives. */
struct held {
	int lock, pins, listener, named;
	bool passed; /* the listener, by a service manager that keeps it when we end */
};

/* At the path and by its name: what was passed, or our own. 0 or -errno. */
static int listen_at(const char *path, struct held *held)
{
	int err = sks_manager_listeners(path, &held->listener, &held->named);

	if (err)
		return err;
	held->passed = held->listener >= 0;
	if (!held->passed)
		held->listener = sks_listen(path);
	if (held->listener >= 0 && held->named < 0)
		held->named = sks_listen_named(path);
	return held->listener < 0 ? held->listener : 0;
}

/* All that needs more rights than the judge keeps. 0, or what main() is to return. */
static int prepare(const struct options *opt, struct sks_spaces *spaces, struct held *held)
{
	int err;

	make_parent(opt->socket);
	held->lock = take_lock(opt->socket);
	if (held->lock < 0)
		return fail(held->lock == -EWOULDBLOCK ? "another helper serves" : "cannot lock",
			    opt->socket, held->lock);
	err = sks_spaces_open(spaces, opt->bpffs);
	if (err)
		return fail("cannot use the bpffs directory", opt->bpffs, err);
	held->pins = lock_pins(opt->bpffs);
	if (held->pins < 0)
		return fail("another helper uses", opt->bpffs, held->pins);
	sks_claims_open(opt->bpffs);
	err = listen_at(opt->socket, held);
	if (err)
		return fail("cannot listen on", opt->socket, err);
	sks_manager_open();
	err = sks_roles_judge();
	return err ? fail("cannot give up rights", "", err) : 0;
}

static int serve(const struct options *opt, struct sks_spaces *spaces, const struct held *held)
{
	const int ends[] = { sks_inside_worker.sock, sks_process_worker.sock,
			     sks_loader_worker.sock, sks_stranger_worker.sock };
	const struct sks_server server = {
		.spaces = spaces,
		.listener = held->listener,
		.named = held->named,
		.idle_exit_ms = opt->idle_exit < 0 ? -1 : (int)opt->idle_exit * 1000,
		.ends = ends,
		.n_ends = sizeof(ends) / sizeof(*ends),
	};
	int err = sks_spaces_take_up(spaces);

	if (err)
		return fail("cannot list the pins in", opt->bpffs, err);
	sks_claims_took_up();
	say_ready(opt->ready_fd);
	sks_manager_ready();
	err = sks_server_run(&server);
	sks_roles_mourn();
	if (!held->passed)
		sks_listen_end(opt->socket);
	while (err == 1 && spaces->n)
		sks_spaces_remove(spaces, spaces->spaces[0]);
	if (err == 1)
		(void)rmdir(opt->bpffs);
	sks_spaces_close(spaces);
	sks_claims_close();
	if (err == -ECHILD) /* said already */
		return 1;
	return err < 0 ? fail("cannot go on", "", err) : 0;
}

static void prepare_signals(void)
{
	sigset_t signals;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL); /* how a worker ended is to be known */
}

int main(int argc, char **argv)
{
	static struct sks_spaces spaces;
	struct options opt = { SKS_SOCKET_PATH, DEFAULT_BPFFS, NULL, -1, -1 };
	struct held held = { -1, -1, -1, -1, false };
	int err = parse_options(argc, argv, &opt);

	if (err)
		return err < 0 ? 2 : 0;
	prepare_signals();
	sks_tally_begin();
#ifdef M_MMAP_THRESHOLD
	/* What a namespace has taken goes back with it: set, the limit does not rise (mallopt(3)). */
	(void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
#endif
	(void)umask(0022);
	if (sks_policy_load(opt.policy))
		return 1;
	sks_bpf_set_log(log_libbpf);
	raise_limit(RLIMIT_NOFILE);  /* each namespace takes a descriptor a map */
	raise_limit(RLIMIT_MEMLOCK); /* before 5.11 the memory of maps and programs counts */
	err = sks_roles_start_workers();
	if (err)
		return fail("cannot start its workers", "", err);
	err = prepare(&opt, &spaces, &held) ?: serve(&opt, &spaces, &held);
	sks_closep(&held.named);
	sks_closep(&held.listener);
	sks_closep(&held.pins);
	sks_closep(&held.lock);
	return err;
}
