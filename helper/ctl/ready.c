/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the question whether the new instance is ready: the --ready command. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "../../common/raw.h"
#include "../../preload/run/vars.h"
#include "signals.h"
#include "upgrade.h"

#define POLL_MS	 20
#define AGAIN_MS 100
#define ADDR_LEN (INET6_ADDRSTRLEN + 32)

/* Where this machine reaches the first TCP listener; false: there is none. */
static bool ready_addr(const struct sks_seen *fresh, char ret_addr[ADDR_LEN])
{
	const struct sks_seen_socket *socket = fresh->sockets;
	const char *address;
	char zone[16] = "";
	size_t i = 0;

	while (i < fresh->n && socket[i].proto != IPPROTO_TCP)
		i++;
	if (i == fresh->n)
		return false;
	socket += i;
	address = socket->address;
	if (strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0)
		address = socket->v4 ? "127.0.0.1" : "::1";
	else if (socket->ifindex && strchr(address, ':'))
		(void)snprintf(zone, sizeof(zone), "%%%u", socket->ifindex);
	(void)snprintf(ret_addr, ADDR_LEN, strchr(address, ':') ? "[%s%s]:%u" : "%s%s:%u", address,
		       zone, socket->bound);
	return true;
}

static int set_addr(const void *addr)
{
	return sks_var_set("SKSTEER_READY_ADDR", addr);
}

/*
 * One run of it, as long as there is time. 0, or the exit status. *ret_status is untouched where it
 * did not end by itself.
 */
static int run_once(struct sks_upgrade *upgrade, char *addr, int *ret_status)
{
	char *const argv[] = { "/bin/sh", "-c", (char *)upgrade->ctl->ready, NULL };
	const struct sks_start start = { argv, set_addr, addr, true };
	struct sks_child asking;
	int status = sks_child_start(&start, &asking);

	if (status)
		return sks_upgrade_fail("--ready: cannot start /bin/sh: %s", strerror(-status));
	while (!status && !asking.ended && sks_now_us() < upgrade->deadline) {
		(void)sks_children_pause(POLL_MS);
		status = sks_upgrade_watch(upgrade);
	}
	if (asking.ended)
		*ret_status = asking.status;
	sks_child_kill(&asking);
	return status;
}

static int fail_in_time(const struct sks_upgrade *upgrade, int last)
{
	char how[64] = "it never ended";

	if (last >= 0 && WIFEXITED(last))
		(void)snprintf(how, sizeof(how), "its last status was %d", WEXITSTATUS(last));
	else if (last >= 0)
		(void)snprintf(how, sizeof(how), "it was ended by SIG%s",
			       sks_signal_name(WTERMSIG(last)));
	return sks_upgrade_fail("--ready: \"%s\" did not succeed within %u s: %s",
				upgrade->ctl->ready, upgrade->ctl->timeout, how);
}

int sks_upgrade_ready(struct sks_upgrade *upgrade)
{
	char addr[ADDR_LEN];
	int status, last = -1;

	if (!ready_addr(&upgrade->fresh, addr))
		return sks_upgrade_fail("--ready: no TCP listener that could be asked stands by");
	for (;;) {
		status = run_once(upgrade, addr, &last);
		if (status)
			return status;
		if (last == 0)
			break;
		if (sks_now_us() + AGAIN_MS * 1000 >= upgrade->deadline)
			return fail_in_time(upgrade, last);
		(void)sks_children_pause(AGAIN_MS);
		status = sks_upgrade_watch(upgrade);
		if (status)
			return status;
	}
	sks_step("ready: \"%s\" succeeded", upgrade->ctl->ready);
	return 0;
}
