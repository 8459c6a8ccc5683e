// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns `sksteerctl policy`: is a policy file without error, and what does it give to whom? */
#include <err.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../common/cleanup.h"
#include "../../common/text.h"
#include "../binding.h"
#include "../groups.h"
#include "../policy.h"
#include "../process.h"
#include "ctl.h"

static int check(const char *path)
{
	unsigned int n[SKS_POLICY_OF_ALL + 1] = {};
	char why[SKS_POLICY_WHY_SIZE];
	struct sks_policy_file file;
	const char *unsafe = NULL;

	if (sks_policy_file_read(path, &file, &unsafe, why)) {
		warnx("%s", why);
		return SKS_CTL_FAILED;
	}
	for (size_t i = 0; i < file.n_sections; i++)
		n[file.sections[i].of]++;
	(void)printf("%s: no error; sections: %u [user], %u [group], %u [default]\n", path,
		     n[SKS_POLICY_OF_USER], n[SKS_POLICY_OF_GROUP], n[SKS_POLICY_OF_ALL]);
	sks_policy_file_free(&file);
	/* Not yet an error: a draft is nobody's policy before it lies where it is to lie. */
	if (unsafe)
		warnx("note: no helper would use %s as it is: it %s", path, unsafe);
	return SKS_CTL_DONE;
}

/* -ENOENT after having said so. */
static int find_user(const char *name, struct sks_peer *ret_peer)
{
	const struct passwd *user = getpwnam(name);
	struct sks_peer peer = {};

	if (user) {
		peer.uid = user->pw_uid;
	} else if (sks_uint_parse(name, strlen(name), UINT32_MAX - 1, &peer.uid)) {
		warnx("policy explain: \"%s\": there is no such user", name);
		return -ENOENT;
	}
	peer.root = peer.uid == 0;
	if (sks_groups_of_user(&peer) && !peer.root)
		warnx("note: the user database has no user %u: taken to be in no group", peer.uid);
	*ret_peer = peer;
	return 0;
}

/* Without a file at the default place, the built-in rule is explained. 0, or -errno (said). */
static int read_policy(const char *path, struct sks_policy_file *file)
{
	char why[SKS_POLICY_WHY_SIZE];
	const char *unsafe = NULL;
	int err = sks_policy_file_read(path ?: SKS_POLICY_PATH, file, &unsafe, why);

	if (err == -ENOENT && !path) {
		warnx("note: there is no %s", SKS_POLICY_PATH);
		return 0;
	}
	if (err)
		warnx("%s", why);
	else
		sks_policy_use(file);
	if (!err && unsafe)
		warnx("note: no helper would use %s as it is: it %s", file->path, unsafe);
	return err;
}

static void print_rules(const struct sks_ruling *ruling)
{
	char rule[SKS_RULE_STRLEN];

	if (!ruling->n_lines)
		(void)printf("%s", sks_policy_rule_format(0, rule));
	for (size_t i = 0; i < ruling->n_lines; i++)
		(void)printf("%s%s", i ? ", " : "", sks_policy_rule_format(ruling->lines[i], rule));
}

static bool explain_target(const struct sks_peer *peer, const struct sks_port_limits *limits,
			   const struct sks_target *target)
{
	char text[SKS_TARGET_STRLEN];
	struct sks_ruling ruling;
	int err = sks_policy_judge(peer, limits, target, &ruling);

	(void)printf("%s: %s by ", sks_target_format(target, text), err ? "refused" : "allowed");
	if (peer->root)
		(void)printf("the built-in rule: root may have everything");
	else
		print_rules(&ruling);
	if (err)
		(void)printf(": %s", ruling.why);
	else if (ruling.depends)
		(void)printf(", where the server listens inside its prefixes");
	(void)printf("\n");
	return !err;
}

static int explain(const struct sks_ctl *ctl, const char *name, const char *spec)
{
	CLEANUP_FD int netns = sks_netns_of_process(getpid(), ctl->netns_ino);
	struct sks_verdict verdict = {};
	const struct sks_target *targets;
	struct sks_policy_file file = {};
	struct sks_port_limits limits;
	struct sks_peer peer;
	bool allowed = true;
	size_t n;

	if (!*spec || sks_targets_parse(spec, strlen(spec), &targets, &n, &verdict)) {
		warnx("policy explain: %s", *spec ? verdict.text : "the spec is empty");
		return SKS_CTL_USAGE;
	}
	if (find_user(name, &peer) || read_policy(ctl->policy, &file))
		return SKS_CTL_FAILED;
	if (netns < 0 || sks_inside_port_limits(netns, &limits)) {
		warnx("cannot read the namespace's port limits");
		return SKS_CTL_FAILED;
	}
	for (size_t i = 0; i < n; i++)
		allowed &= explain_target(&peer, &limits, &targets[i]);
	if (sks_policy_count(&peer, targets, n, &verdict)) {
		(void)printf("all together: refused: %s\n", verdict.text);
		allowed = false;
	}
	sks_policy_file_free(&file);
	return allowed ? SKS_CTL_DONE : SKS_CTL_FAILED;
}

int sks_ctl_policy(const struct sks_ctl *ctl)
{
	char **words = ctl->operands;

	if (ctl->n_operands == 2 && strcmp(words[0], "check") == 0 && !ctl->policy)
		return check(words[1]);
	if (ctl->n_operands == 3 && strcmp(words[0], "explain") == 0)
		return explain(ctl, words[1], words[2]);
	if (ctl->n_operands && strcmp(words[0], "check") != 0 && strcmp(words[0], "explain") != 0)
		warnx("policy: \"%s\" is neither check nor explain (see policy --help)", words[0]);
	else
		warnx("policy: it takes check and a FILE, or explain, a USER and a SPEC (see "
		      "policy --help)");
	return SKS_CTL_USAGE;
}
