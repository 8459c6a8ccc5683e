/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the verbs of sksteerctl share: the parsed command line, and the way to the helper. */
#ifndef SKSTEER_CTL_H
#define SKSTEER_CTL_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/wire.h"

enum { SKS_CTL_DONE = 0, SKS_CTL_FAILED = 1, SKS_CTL_USAGE = 2 };

struct sks_ctl {
	const char *socket; /* the helper's */
	const char *bpffs;  /* below which the pins are */
	uint64_t netns_ino; /* of the namespace that all is about, which is our own by now */
	bool json, all;
	uint32_t every;		   /* of status: seconds until it shows all again, or 0 */
	bool http;		   /* of metrics: answer a scrape on standard input */
	bool dry_run, allow_empty; /* of apply */
	const char *verb;
	char **operands;
	int n_operands;
	char **command;		 /* of upgrade: the words after "--", NULL-terminated */
	const char *ready;	 /* of upgrade: a command, or NULL */
	uint32_t timeout, drain; /* of upgrade: seconds */
	int signal;		 /* of upgrade */
	const char *policy;	 /* of policy explain: a file, or NULL */
	uint32_t pid;		 /* of register: a process, or 0 */
	int fd;			 /* of register: its descriptor, or -1 */
	uint16_t port;		 /* of register: the port that is meant, or 0 */
	uint8_t proto;		 /* IPPROTO_TCP or IPPROTO_UDP */
};

/* The verbs. Each says itself what went wrong and returns the exit status. */
int sks_ctl_status(const struct sks_ctl *ctl);
int sks_ctl_lookup(const struct sks_ctl *ctl);
int sks_ctl_metrics(const struct sks_ctl *ctl);
int sks_ctl_watch(const struct sks_ctl *ctl);
int sks_ctl_bind(const struct sks_ctl *ctl);
int sks_ctl_unbind(const struct sks_ctl *ctl);
int sks_ctl_apply(const struct sks_ctl *ctl);
int sks_ctl_upgrade(const struct sks_ctl *ctl);
int sks_ctl_weight(const struct sks_ctl *ctl);
int sks_ctl_policy(const struct sks_ctl *ctl);
int sks_ctl_register(const struct sks_ctl *ctl);
int sks_ctl_unregister(const struct sks_ctl *ctl);
int sks_ctl_unload(const struct sks_ctl *ctl);

/* sks_wire_call() to the helper that the command line names; version and spec_len are set here. */
int sks_ctl_call(const struct sks_ctl *ctl, struct sks_request *req, const char *spec,
		 struct sks_reply *ret_reply, int *ret_fd);
/* The same about a socket of ours, without a spec. */
int sks_ctl_send(const struct sks_ctl *ctl, struct sks_request *req, int fd,
		 struct sks_reply *ret_reply);
/* No helper runs there, which is something else than one that does not answer. */
bool sks_ctl_is_absent(int err);
/* Says why sks_ctl_call() got no answer, and what to do about it. Returns buf. */
#define SKS_CTL_WHYLEN 320
char *sks_ctl_why(const struct sks_ctl *ctl, int err, char buf[SKS_CTL_WHYLEN]);
/* Says what a call (err: what it returned) was answered, or that it was not. Returns the exit
 * status. */
int sks_ctl_answer(const struct sks_ctl *ctl, int err, const struct sks_reply *reply);
/* Calls the helper and says what it answered, or that it did not. Returns the exit status. */
int sks_ctl_request(const struct sks_ctl *ctl, struct sks_request *req, const char *spec);

/*
 * That nothing is pinned says something only where a bpffs is seen: `ip netns exec` shows a /sys
 * without one.
 */
bool sks_ctl_sees_bpffs(const char *dir);
/* Why the pins below a directory say nothing. */
const char *sks_ctl_pins_text(int err);

/* 0, or -EINVAL after having said what a label is. */
int sks_ctl_check_label(const struct sks_ctl *ctl, const char *label);

/*
 * Makes another network namespace our own: a name below /run/netns, a path, or a process id.
 * 0, or -errno after having said why.
 */
int sks_ctl_enter(const char *netns);
/* Of our own network namespace. 0 or -errno. */
int sks_ctl_netns_ino(uint64_t *ret_ino);

#endif
