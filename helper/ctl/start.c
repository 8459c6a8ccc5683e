/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the first half of an upgrade: the new instance is started, and stands by. */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../common/raw.h"
#include "../../preload/run/beside.h"
#include "../../preload/run/reach.h"
#include "../../preload/run/vars.h"
#include "signals.h"
#include "upgrade.h"

#define POLL_MS	  20
#define ALL_US	  1000000 /* for its further listeners, once the first is there */
#define LISTENERS 8	  /* at most so many are named in a line */

struct surroundings {
	const char *label;
	char library[PATH_MAX];
	char socket[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

/* What the library reads; SKSTEER_PORTS is the caller's word, without which the label's holds. */
static int set_variables(const void *data)
{
	const struct surroundings *around = data;
	bool standard = strcmp(around->socket, SKS_SOCKET_PATH) == 0;
	int err = sks_var_set_preload(around->library);

	err = err ? err : sks_var_set("SKSTEER_LABEL", around->label);
	err = err ? err : sks_var_set("SKSTEER_MODE", "standby");
	err = err ? err : sks_var_set("SKSTEER_SOCKET", standard ? NULL : around->socket);
	err = err ? err : sks_var_set("SKSTEER_WARNED", NULL);
	return err ? err : sks_var_set_instance();
}

static char *join_words(char *const *words)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	for (size_t i = 0; to && words[i]; i++)
		(void)fprintf(to, "%s%s", i ? " " : "", words[i]);
	if (to && fclose(to)) {
		free(text);
		text = NULL;
	}
	return text;
}

/* Only a preload is ours to give. Whoever says sksteer-run as the command has every engine. */
static int check_reach(const struct sks_ctl *ctl)
{
	char path[PATH_MAX], program[PATH_MAX];
	const char *why;

	if (sks_run_resolve(ctl->command[0], path, sizeof(path)) ||
	    sks_run_reach(path, program, sizeof(program), &why) == SKS_REACH_PRELOAD)
		return 0;
	return sks_upgrade_fail("%s %s: a preload cannot reach it: say -- sksteer-run -l %s %s ...",
				program, why, ctl->operands[0], ctl->command[0]);
}

int sks_upgrade_start(struct sks_upgrade *upgrade)
{
	const struct sks_ctl *ctl = upgrade->ctl;
	struct surroundings around = { .label = upgrade->label };
	const struct sks_start start = { ctl->command, set_variables, &around, false };
	char *words;
	int err = check_reach(ctl);

	if (err)
		return err;
	if (sks_run_beside("libsksteer.so", SKS_LIBDIR, R_OK, around.library,
			   sizeof(around.library)))
		return sks_upgrade_fail("libsksteer.so is neither next to sksteerctl nor in %s",
					SKS_LIBDIR);
	if (sks_socket_path(ctl->socket, around.socket, sizeof(around.socket)))
		return SKS_CTL_FAILED;
	err = sks_child_start(&start, &upgrade->child);
	if (err)
		return sks_upgrade_fail("cannot start \"%s\": %s", upgrade->command,
					strerror(-err));
	words = join_words(ctl->command);
	sks_step("started: process %d: %s", upgrade->child.pid, words ? words : upgrade->command);
	free(words);
	return 0;
}

static int fail_ended(const struct sks_upgrade *upgrade)
{
	const char *then = upgrade->fresh.n ? "before the move" : "before it registered a listener";
	int status = upgrade->child.status;

	if (WIFSIGNALED(status))
		return sks_upgrade_fail("\"%s\" was ended by SIG%s %s", upgrade->command,
					sks_signal_name(WTERMSIG(status)), then);
	return sks_upgrade_fail("\"%s\" ended with status %d %s", upgrade->command,
				WEXITSTATUS(status), then);
}

int sks_upgrade_watch(struct sks_upgrade *upgrade)
{
	bool left = sks_children_left();
	int sig = sks_children_pause(0);

	if (sig) {
		(void)sks_upgrade_fail("SIG%s came before the move", sks_signal_name(sig));
		return 128 + sig;
	}
	/* A daemon's first process ends with 0, and leaves others. */
	if (upgrade->child.ended && (upgrade->child.status || !left))
		return fail_ended(upgrade);
	return 0;
}

/* A pause of the polling, longer where the answers take long. */
static int pause_after(struct sks_upgrade *upgrade, int64_t began)
{
	int64_t took = (sks_now_us() - began) / 1000;

	(void)sks_children_pause(POLL_MS + (took < 500 ? (int)took : 500));
	return sks_upgrade_watch(upgrade);
}

static bool is_new(const struct sks_upgrade *upgrade, const struct sks_seen_socket *socket)
{
	return socket->state != SKS_SEEN_REPLACED &&
	       !sks_seen_has_cookie(&upgrade->old, socket->cookie);
}

/* Of several that are started at once for one label, each has to find its own. */
static const struct sks_seen_socket *find_ours(const struct sks_upgrade *upgrade,
					       const struct sks_seen *seen)
{
	const pid_t self = getpid();
	struct sks_inodes inodes = { 0 };
	struct sks_pids pids = { 0 };
	size_t i = 0;

	while (i < seen->n && !is_new(upgrade, &seen->sockets[i]))
		i++;
	if (i < seen->n && !sks_descendants(&self, 1, &pids))
		(void)sks_sockets_of(&pids, &inodes);
	/* A process that may not be looked into has at least registered the socket. */
	while (i < seen->n && !(is_new(upgrade, &seen->sockets[i]) &&
				(sks_inodes_have(&inodes, seen->sockets[i].inode) ||
				 sks_pids_have(&pids, seen->sockets[i].pid))))
		i++;
	free(inodes.list);
	free(pids.list);
	return i < seen->n ? &seen->sockets[i] : NULL;
}

static bool is_of_instance(const struct sks_seen_socket *socket, const void *instance)
{
	return strcmp(socket->instance, instance) == 0;
}

static bool serves_for_another(const struct sks_seen_socket *socket, const void *instance)
{
	return socket->state == SKS_SEEN_SERVING && strcmp(socket->instance, instance) != 0;
}

/* The old instance may have changed since, too. */
static int sort_out(struct sks_upgrade *upgrade, const struct sks_seen *seen, const char *instance)
{
	struct sks_seen old, fresh;
	int err = sks_seen_pick(seen, is_of_instance, instance, &fresh);

	if (err)
		return err;
	err = sks_seen_pick(seen, serves_for_another, instance, &old);
	if (err) {
		sks_seen_free(&fresh);
		return err;
	}
	sks_seen_free(&upgrade->fresh);
	sks_seen_free(&upgrade->old);
	upgrade->fresh = fresh;
	upgrade->old = old;
	return 0;
}

/* A helper that is being restarted is back in a moment. */
static bool may_come_back(int err)
{
	return sks_ctl_is_absent(err) || err == -ECONNRESET || err == -ETIMEDOUT;
}

int sks_upgrade_look(struct sks_upgrade *upgrade)
{
	const struct sks_seen_socket *found;
	char why[SKS_CTL_WHYLEN];
	struct sks_seen seen;
	int err = sks_look(upgrade->ctl, upgrade->label, &seen, &upgrade->ports);

	if (!err) {
		found = find_ours(upgrade, &seen);
		err = found ? sort_out(upgrade, &seen, found->instance) : 0;
		sks_seen_free(&seen);
	}
	if (err == 1)
		return SKS_CTL_FAILED;
	if (err && err != -ESRCH && !may_come_back(err))
		return sks_upgrade_fail("%s", sks_ctl_why(upgrade->ctl, err, why));
	return 0;
}

static bool has_port(const struct sks_seen *seen, uint16_t port, bool v6)
{
	for (size_t i = 0; i < seen->n; i++) {
		const struct sks_seen_socket *socket = &seen->sockets[i];

		if (socket->proto == IPPROTO_TCP && socket->port == port &&
		    (v6 ? socket->v6 : socket->v4))
			return true;
	}
	return false;
}

/*
 * What the new instance does not have of a port: NULL is nothing, "" all of it. A server that has a
 * listener for each family opens one after the other.
 */
static const char *missing_at(const struct sks_upgrade *upgrade, uint16_t port)
{
	bool v4 = has_port(&upgrade->fresh, port, false),
	     v6 = has_port(&upgrade->fresh, port, true);
	bool no_v4 = !v4 && has_port(&upgrade->old, port, false);
	bool no_v6 = !v6 && has_port(&upgrade->old, port, true);

	if (!no_v4 && !no_v6)
		return NULL;
	return !v4 && !v6 ? "" : no_v4 ? " by IPv4" : " by IPv6";
}

/* The TCP ports of the old instance that the new one does not have. Returns text. */
static const char *missing_ports(const struct sks_upgrade *upgrade, char text[128])
{
	struct sks_port_set said = { 0 };
	size_t pos = 0;

	*text = '\0';
	for (size_t i = 0; i < upgrade->old.n && pos < 100; i++) {
		uint16_t port = upgrade->old.sockets[i].port;
		const char *what;

		if (upgrade->old.sockets[i].proto != IPPROTO_TCP || sks_port_set_has(&said, port))
			continue;
		sks_port_set_add(&said, port, port);
		what = missing_at(upgrade, port);
		if (what)
			pos += (size_t)snprintf(text + pos, 128 - pos, "%s%u%s", pos ? ", " : "",
						port, what);
	}
	return text;
}

static void say_standby(const struct sks_upgrade *upgrade)
{
	for (size_t i = 0; i < upgrade->fresh.n && i < LISTENERS; i++) {
		const struct sks_seen_socket *socket = &upgrade->fresh.sockets[i];
		bool v6 = strchr(socket->address, ':') != NULL;
		char bound[40] = "";

		if (socket->bound != socket->port)
			(void)snprintf(bound, sizeof(bound), " (bound to port %u)", socket->bound);
		sks_step("%s: %s%s%s:%u%s%s",
			 socket->state == SKS_SEEN_STANDBY ? "standing by" : "registered",
			 v6 ? "[" : "", socket->address, v6 ? "]" : "", socket->port,
			 socket->proto == IPPROTO_UDP ? "/udp" : "", bound);
	}
	if (upgrade->fresh.n > LISTENERS)
		sks_step("... and %zu more", upgrade->fresh.n - LISTENERS);
}

int sks_upgrade_await(struct sks_upgrade *upgrade)
{
	int64_t began, all_there = 0;
	char missing[128];
	int status = 0;

	for (;;) {
		began = sks_now_us();
		status = sks_upgrade_look(upgrade);
		if (status)
			return status;
		if (upgrade->fresh.n && !all_there)
			all_there = began + ALL_US;
		if (upgrade->fresh.n && (!*missing_ports(upgrade, missing) || began >= all_there))
			break;
		if (!upgrade->fresh.n && began >= upgrade->deadline)
			return sks_upgrade_fail("\"%s\" registered no listener within %u s",
						upgrade->command, upgrade->ctl->timeout);
		status = pause_after(upgrade, began);
		if (status)
			return status;
	}
	say_standby(upgrade);
	if (*missing)
		sks_step("note: nothing stands by for port %s, where \"%s\" listens now", missing,
			 upgrade->label);
	return 0;
}
