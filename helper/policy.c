// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns who may steer and open what: the built-in rule, and what the policy file says otherwise. */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "groups.h"
#include "policy.h"
#include "policy_usage.h"

#define QUOTA_LISTENERS 128u /* at least */

static const struct sks_policy_file none = { .path = SKS_POLICY_PATH };
static const struct sks_policy_file *policy = &none;

static const struct sks_prefix every4 = { .family = AF_INET }, every6 = { .family = AF_INET6 };

void sks_policy_use(const struct sks_policy_file *file)
{
	policy = file;
}

/* Nothing else is asked of who was granted what it has. The database may be a server elsewhere. */
static bool shadows_by_group(void)
{
	bool any = false;

	for (size_t i = 0; !any && i < policy->n_sections; i++)
		any = policy->sections[i].of == SKS_POLICY_OF_GROUP &&
		      policy->sections[i].lines[SKS_POLICY_SHADOW];
	return any;
}

struct sks_peer sks_policy_absent(uint32_t uid)
{
	struct sks_peer peer = { .uid = uid, .gid = (gid_t)-1, .root = !uid, .granted = true };

	if (!peer.root && shadows_by_group())
		(void)sks_groups_of_user(&peer);
	return peer;
}

char *sks_policy_rule_format(unsigned int line, char buf[SKS_RULE_STRLEN])
{
	if (line)
		(void)snprintf(buf, SKS_RULE_STRLEN, "%s:%u", policy->path, line);
	else
		(void)snprintf(buf, SKS_RULE_STRLEN, "the built-in rule");
	return buf;
}

/* What allows it, of the file. Beyond so many the first ones will do. */
static void add_line(struct sks_ruling *ruling, unsigned int line)
{
	size_t i = 0;

	while (i < ruling->n_lines && ruling->lines[i] != line)
		i++;
	if (line && i == ruling->n_lines && i < SKS_RULING_LINES)
		ruling->lines[ruling->n_lines++] = line;
}

/* By the rule in that line (0: the built-in one), which alone decides then. */
__attribute__((format(printf, 3, 4))) static int forbid(struct sks_ruling *ruling,
							unsigned int line, const char *format, ...)
{
	va_list args;

	ruling->n_lines = 0;
	add_line(ruling, line);
	va_start(args, format);
	(void)vsnprintf(ruling->why, sizeof(ruling->why), format, args);
	va_end(args);
	return -EACCES;
}

static int check_wide(const struct sks_peer *peer, const struct sks_target *target,
		      struct sks_ruling *ruling)
{
	unsigned int line;

	if ((uint32_t)target->last - target->first < SKS_RANGE_EXCLUSIVE)
		return 0;
	if (!sks_policy_value(policy, peer, SKS_POLICY_WIDE, &line))
		return forbid(ruling, line, "\"*\" and ranges of more than %u ports are for root",
			      SKS_RANGE_EXCLUSIVE);
	add_line(ruling, line);
	return 0;
}

static int check_any(const struct sks_peer *peer, const struct sks_target *target,
		     struct sks_ruling *ruling)
{
	unsigned int line;

	/* A prefix of length 0 is "any:" of one family. */
	if (target->where == SKS_WHERE_LISTENER ||
	    (target->where == SKS_WHERE_PREFIX && target->where_prefix.len))
		return 0;
	if (!sks_policy_value(policy, peer, SKS_POLICY_ANY, &line))
		return forbid(ruling, line,
			      "to open at every address (\"any:\") is not for user %u", peer->uid);
	add_line(ruling, line);
	return 0;
}

#define OUTSIDE "%s is outside of the prefixes of user %u"

/* What is known before a socket opens it; the rest: sks_policy_place(). */
static int check_prefixes(const struct sks_peer *peer, const struct sks_target *target,
			  struct sks_ruling *ruling)
{
	char text[SKS_PREFIX_STRLEN];
	unsigned int line = 0;

	if (target->where == SKS_WHERE_PREFIX &&
	    !sks_policy_allows_prefix(policy, peer, &target->where_prefix, &line))
		return forbid(ruling, line, OUTSIDE, sks_prefix_format(&target->where_prefix, text),
			      peer->uid);
	/* Of a server of one family it is that family alone. */
	if (target->where == SKS_WHERE_ANY &&
	    !sks_policy_allows_prefix(policy, peer, &every4, &line) &&
	    !sks_policy_allows_prefix(policy, peer, &every6, &line))
		return forbid(ruling, line, OUTSIDE, "every address (\"any:\")", peer->uid);
	if (target->where == SKS_WHERE_LISTENER)
		ruling->depends = !sks_policy_allows_prefix(policy, peer, &every4, &line) ||
				  !sks_policy_allows_prefix(policy, peer, &every6, &line);
	add_line(ruling, line);
	return 0;
}

/*
 * Up to which port, from this one on, the file grants it at every address of place (NULL: of both
 * families); 0: not even this one.
 */
static uint16_t granted_to(const struct sks_peer *peer, uint8_t proto,
			   const struct sks_prefix *place, uint16_t port, struct sks_ruling *ruling)
{
	const struct sks_policy_item *one =
		sks_policy_grant(policy, peer, proto, place ?: &every4, port);
	const struct sks_policy_item *other =
		place ? one : sks_policy_grant(policy, peer, proto, &every6, port);

	if (!one || !other)
		return 0;
	add_line(ruling, one->line);
	add_line(ruling, other->line);
	return one->target.last < other->target.last ? one->target.last : other->target.last;
}

static int forbid_low(const struct sks_peer *peer, uint16_t port,
		      const struct sks_port_limits *limits, struct sks_ruling *ruling)
{
	ruling->ungranted = true;
	return forbid(ruling, 0,
		      "port %u is for root (net.ipv4.ip_unprivileged_port_start is %u), and %s "
		      "does not grant it to user %u",
		      port, limits->unprivileged_start, policy->path, peer->uid);
}

/* Without a where it may open at any address, as the server's sockets come. */
static int check_low(const struct sks_peer *peer, const struct sks_target *target,
		     const struct sks_port_limits *limits, struct sks_ruling *ruling)
{
	const struct sks_prefix *place = target->where == SKS_WHERE_PREFIX ? &target->where_prefix
									   : NULL;

	uint32_t port = target->first, last;

	if (peer->binds_low)
		return 0;
	while (port <= target->last && port < limits->unprivileged_start) {
		last = granted_to(peer, target->proto, place, (uint16_t)port, ruling);
		if (!last)
			return forbid_low(peer, (uint16_t)port, limits, ruling);
		port = last + 1;
	}
	return 0;
}

int sks_policy_judge(const struct sks_peer *peer, const struct sks_port_limits *limits,
		     const struct sks_target *target, struct sks_ruling *ret_ruling)
{
	*ret_ruling = (struct sks_ruling){};
	if (peer->root)
		return 0;
	return check_wide(peer, target, ret_ruling)
		       ?: check_any(peer, target, ret_ruling)
		       ?: check_low(peer, target, limits, ret_ruling)
		       ?: check_prefixes(peer, target, ret_ruling);
}

/* Returns err. */
static int refuse_target(const struct sks_target *target, const struct sks_ruling *ruling, int err,
			 struct sks_verdict *verdict)
{
	unsigned int line = ruling->n_lines ? ruling->lines[0] : 0;
	char text[SKS_TARGET_STRLEN], rule[SKS_RULE_STRLEN];

	(void)sks_target_format(target, text);
	if (ruling->ungranted)
		return sks_refuse(verdict, err, "%s: %s", text, ruling->why);
	return sks_refuse(verdict, err, "%s: %s (%s)", text, ruling->why,
			  sks_policy_rule_format(line, rule));
}

static int read_limits(int netns, struct sks_port_limits *ret_limits, struct sks_verdict *verdict)
{
	int err = sks_inside_port_limits(netns, ret_limits);

	return err ? sks_refuse(verdict, err, "cannot read the namespace's port limits: %s",
				strerror(-err))
		   : 0;
}

/* Who has more than the quota, since that has changed, may keep it, and have less of it. */
static int check_quota(const struct sks_peer *peer, const char *what, enum sks_policy_key key,
		       uint64_t had, uint64_t has, struct sks_verdict *verdict)
{
	char rule[SKS_RULE_STRLEN];
	unsigned int line;
	uint32_t quota = sks_policy_value(policy, peer, key, &line);

	if (has <= quota || has <= had)
		return 0;
	return sks_refuse(verdict, -EDQUOT, "more than %u %s for user %u (%s)", quota, what,
			  peer->uid, sks_policy_rule_format(line, rule));
}

uint32_t sks_policy_most(const struct sks_peer *peer, enum sks_policy_key key)
{
	return peer->root ? UINT32_MAX : sks_policy_value(policy, peer, key, NULL);
}

int sks_policy_count(const struct sks_peer *peer, const struct sks_target *targets, size_t n,
		     struct sks_verdict *verdict)
{
	uint64_t ports = 0;

	if (peer->root)
		return 0;
	for (size_t i = 0; i < n; i++)
		ports += sks_usage_of_range(targets[i].first, targets[i].last);
	return check_quota(peer, "ports", SKS_POLICY_MAX_PORTS, 0, ports, verdict);
}

int sks_policy_targets(const struct sks_peer *peer, int netns, const struct sks_target *targets,
		       size_t n, struct sks_verdict *verdict)
{
	struct sks_port_limits limits;
	struct sks_ruling ruling;
	int err;

	if (peer->root || !n)
		return 0;
	err = read_limits(netns, &limits, verdict);
	for (size_t i = 0; !err && i < n; i++) {
		err = sks_policy_judge(peer, &limits, &targets[i], &ruling);
		if (err)
			(void)refuse_target(&targets[i], &ruling, err, verdict);
	}
	return err ?: sks_policy_count(peer, targets, n, verdict);
}

int sks_policy_label(const struct sks_peer *peer, const char *label, struct sks_verdict *verdict)
{
	char rule[SKS_RULE_STRLEN];
	unsigned int line;

	if (peer->root || !*label || sks_policy_allows_label(policy, peer, label, &line))
		return 0;
	return sks_refuse(verdict, -EACCES, "label \"%s\" is not for user %u (%s)", label,
			  peer->uid, sks_policy_rule_format(line, rule));
}

int sks_policy_share(const struct sks_peer *peer, struct sks_verdict *verdict)
{
	char rule[SKS_RULE_STRLEN];
	unsigned int line;

	if (peer->root || sks_policy_value(policy, peer, SKS_POLICY_SHARE, &line))
		return 0;
	return sks_refuse(verdict, -EACCES, "to share a socket is not for user %u (%s)", peer->uid,
			  sks_policy_rule_format(line, rule));
}

int sks_policy_open(const struct sks_peer *peer, int netns, const struct sks_target *target,
		    struct sks_verdict *verdict)
{
	const struct sks_prefix *place = &target->where_prefix;
	char text[SKS_TARGET_STRLEN];
	struct sks_port_limits limits;
	struct sks_ruling ruling = {};
	uint16_t port = target->first;
	int err;

	/* [::] is IPv4 too, whatever IPV6_V6ONLY says now: its owner may change that meanwhile. */
	if (!place->len && place->family == AF_INET6)
		place = NULL;
	if (granted_to(peer, target->proto, place, port, &ruling))
		return sks_policy_place(peer, place ?: &every4, verdict)
			       ?: sks_policy_place(peer, place ?: &every6, verdict);
	err = read_limits(netns, &limits, verdict);
	if (err)
		return err;
	if (port >= limits.unprivileged_start)
		return sks_refuse(verdict, -EACCES,
				  "%s: port %u needs no privilege "
				  "(net.ipv4.ip_unprivileged_port_start is %u), so bind(2) was "
				  "denied for another reason",
				  sks_target_format(target, text), port, limits.unprivileged_start);
	if (peer->root || peer->binds_low)
		return 0;
	return refuse_target(target, &ruling, forbid_low(peer, port, &limits, &ruling), verdict);
}

bool sks_policy_shadows(const struct sks_peer *peer)
{
	return peer->root || sks_policy_value(policy, peer, SKS_POLICY_SHADOW, NULL);
}

int sks_policy_place(const struct sks_peer *peer, const struct sks_prefix *prefix,
		     struct sks_verdict *verdict)
{
	char text[SKS_PREFIX_STRLEN], rule[SKS_RULE_STRLEN];
	unsigned int line;

	if (peer->root || peer->granted || sks_policy_allows_prefix(policy, peer, prefix, &line))
		return 0;
	return sks_refuse(verdict, -EACCES, OUTSIDE " (%s)", sks_prefix_format(prefix, text),
			  peer->uid, sks_policy_rule_format(line, rule));
}

/* Beside twice the sockets: a server that is restarted leaves addresses behind for a while. */
static int check_listeners(const struct sks_peer *peer, unsigned int had, unsigned int has,
			   struct sks_verdict *verdict)
{
	char rule[SKS_RULE_STRLEN];
	unsigned int line;
	uint64_t quota = 2ull * sks_policy_value(policy, peer, SKS_POLICY_MAX_SOCKETS, &line);

	if (quota <= QUOTA_LISTENERS) {
		quota = QUOTA_LISTENERS;
		line = 0;
	}
	if (has <= quota || has <= had)
		return 0;
	return sks_refuse(verdict, -EDQUOT, "more than %llu listeners for user %u (%s)",
			  (unsigned long long)quota, peer->uid, sks_policy_rule_format(line, rule));
}

int sks_policy_quota(const struct sks_change *change)
{
	const struct sks_peer *peer = change->peer;
	struct sks_verdict *verdict = change->verdict;
	struct sks_usage now, next;
	int err;

	if (peer->root)
		return 0;
	err = sks_usage_count(change->spaces, peer->uid, &now, &next);
	if (err)
		return err;
	/* The socket that comes is in no slot yet, or has just come into one. */
	if (change->socket && change->dry)
		next.sockets++;
	else if (change->socket)
		now.sockets--;
	return check_quota(peer, "ports", SKS_POLICY_MAX_PORTS, now.ports, next.ports, verdict)
		       ?: check_quota(peer, "sockets", SKS_POLICY_MAX_SOCKETS, now.sockets,
				      next.sockets, verdict)
		       ?: check_quota(peer, "labels", SKS_POLICY_MAX_LABELS, now.labels,
				      next.labels, verdict)
		       ?: check_listeners(peer, now.listeners, next.listeners, verdict);
}

int sks_policy_replies(const struct sks_spaces *spaces, const struct sks_peer *peer,
		       unsigned int replies, struct sks_verdict *verdict)
{
	struct sks_usage now, next;
	int err;

	if (peer->root)
		return 0;
	err = sks_usage_count(spaces, peer->uid, &now, &next);
	replies += now.sockets;
	return err
		       ?: check_quota(peer, "sockets", SKS_POLICY_MAX_SOCKETS, replies, replies + 1,
				      verdict);
}
