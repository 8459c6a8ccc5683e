/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns who may steer and open what: the built-in rule, and what the policy file says otherwise.
 * Root is never judged. Whoever is refused is told the rule that decided.
 */
#ifndef SKSTEER_POLICY_H
#define SKSTEER_POLICY_H

#include "change.h"
#include "inside.h"
#include "policy_rule.h"

/* From now on this file holds, which stays the caller's. Before: an empty one. */
void sks_policy_use(const struct sks_policy_file *file);

/*
 * A user who has been granted something, and for whom nobody is connected now. Its groups are those
 * of the user database, where they matter, until the next call.
 */
struct sks_peer sks_policy_absent(uint32_t uid);

/* What became of a target, and why. */
#define SKS_RULING_LINES 8
struct sks_ruling {
	unsigned int lines[SKS_RULING_LINES]; /* of the file, of the rules that decided */
	size_t n_lines;			      /* 0: the built-in rule did */
	bool ungranted;			      /* refused for want of a grant: why says so */
	bool depends;  /* allowed as long as the listener's addresses lie in the user's prefixes */
	char why[256]; /* it was refused */
};

/*
 * The one place where a target is judged, for the helper and for sksteerctl alike. limits: of the
 * namespace. 0 or -EACCES.
 */
int sks_policy_judge(const struct sks_peer *peer, const struct sks_port_limits *limits,
		     const struct sks_target *target, struct sks_ruling *ret_ruling);
/* As many ports as all these targets have together? 0 or -EDQUOT. */
int sks_policy_count(const struct sks_peer *peer, const struct sks_target *targets, size_t n,
		     struct sks_verdict *verdict);
/* "the built-in rule", or FILE:LINE. Returns buf. */
#define SKS_RULE_STRLEN 128
char *sks_policy_rule_format(unsigned int line, char buf[SKS_RULE_STRLEN]);

/*
 * Judges what is asked for, before anything is touched. 0, -EACCES (what the user may not have), or
 * -EDQUOT (more in one request than the user may have at all).
 */
int sks_policy_targets(const struct sks_peer *peer, int netns, const struct sks_target *targets,
		       size_t n, struct sks_verdict *verdict);

/* May the user use that label? None (empty) is everybody's. 0 or -EACCES. */
int sks_policy_label(const struct sks_peer *peer, const char *label, struct sks_verdict *verdict);

/* May the user's servers get a socket of another's (of the same user)? 0 or -EACCES. */
int sks_policy_share(const struct sks_peer *peer, struct sks_verdict *verdict);

/*
 * May a socket that bind(2) was denied be bound to target: one port, and as its prefix the address
 * (length 0: the wildcard one)? 0 or -EACCES.
 */
int sks_policy_open(const struct sks_peer *peer, int netns, const struct sks_target *target,
		    struct sks_verdict *verdict);

/* May the user take a prefix from another user's wildcard listener (the longer wins)? Root may. */
bool sks_policy_shadows(const struct sks_peer *peer);

/*
 * Judges one route that a change brings, once it is known where it opens: may this user steer what
 * is sent to these addresses? 0 or -EACCES.
 */
int sks_policy_place(const struct sks_peer *peer, const struct sks_prefix *prefix,
		     struct sks_verdict *verdict);

/* How many of that kind (SKS_POLICY_MAX_...) may the user have? */
uint32_t sks_policy_most(const struct sks_peer *peer, enum sks_policy_key key);

/* Judges what the user would have in the next state, over all namespaces. 0 or -EDQUOT. */
int sks_policy_quota(const struct sks_change *change);
/* One reply socket more than that many, which count as sockets that are registered do: the same. */
int sks_policy_replies(const struct sks_spaces *spaces, const struct sks_peer *peer,
		       unsigned int replies, struct sks_verdict *verdict);

#endif
