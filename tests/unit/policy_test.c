/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the tests of helper/policy_rule.h, policy_parse.h and policy.h, as TAP: which rule decides. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "../../helper/groups.h"
#include "../../helper/policy.h"
#include "../../helper/policy_parse.h"
#include "../../helper/policy_usage.h"
#include "tap.h"

#define USER  4711 /* in no user database: numbers alone */
#define GROUP 4800

static const struct sks_port_limits limits = { .unprivileged_start = 1024 };
static struct sks_policy_file file;
static char why[SKS_POLICY_WHY_SIZE];

/* In force from then on; an error is for expect_error(). */
static int use(const char *text)
{
	sks_policy_file_free(&file);
	file.path = "p";
	*why = '\0';
	sks_policy_use(&file);
	return sks_policy_parse(text, &file, why);
}

static void need_use(const char *text)
{
	int err = use(text);

	if (err)
		printf("# %s\n", why);
	need_done(err, text);
}

static struct sks_peer in_groups(uint32_t uid, const gid_t *groups, size_t n)
{
	return (struct sks_peer){
		.uid = uid, .gid = uid, .pid = 1, .groups = groups, .n_groups = n
	};
}

static struct sks_peer alone(uint32_t uid)
{
	return in_groups(uid, NULL, 0);
}

static struct sks_prefix prefix(const char *text)
{
	char error[SKS_PREFIX_WHYLEN];
	struct sks_prefix ret;

	need_done(sks_prefix_parse(text, strlen(text), &ret, error), text);
	return ret;
}

/* --- which section ---------------------------------------------------------------------------- */

static void value_is(const struct sks_peer *peer, enum sks_policy_key key, uint32_t value,
		     unsigned int line, const char *what)
{
	unsigned int by = 99;
	uint32_t is = sks_policy_value(&file, peer, key, &by);

	tap_check(is == value && by == line, "%s: %s is %u by line %u", what,
		  sks_policy_key_name(key), is, by);
}

static void test_order(void)
{
	const gid_t one[] = { GROUP }, two[] = { GROUP, GROUP + 1 };
	struct sks_peer own = in_groups(USER, two, 2), member = in_groups(USER + 1, two, 2),
			first = in_groups(USER + 1, one, 1), other = alone(USER + 1),
			primary = alone(USER + 2);

	primary.gid = GROUP + 1;
	need_use("[default]\nmax-ports = 1\nmax-labels = 10\nwide = yes\n"
		 "[group 4801]\nmax-ports = 2\nwide = no\n"
		 "[group 4800]\nmax-ports = 3\nmax-sockets = 30\n"
		 "[user 4711]\nmax-ports = 4\n"
		 "[group 4801]\nmax-sockets = 31\nany = no\n");
	value_is(&own, SKS_POLICY_MAX_PORTS, 4, 12, "one's own section, although it comes last");
	value_is(&own, SKS_POLICY_MAX_SOCKETS, 30, 10, "without the key there: the first group");
	value_is(&own, SKS_POLICY_MAX_LABELS, 10, 3, "nor there: [default]");
	value_is(&own, SKS_POLICY_SHARE, 1, 0, "nor there: the built-in rule");
	value_is(&member, SKS_POLICY_MAX_PORTS, 2, 6, "the first group of the file");
	value_is(&member, SKS_POLICY_MAX_SOCKETS, 30, 10, "the first one that has the key");
	value_is(&member, SKS_POLICY_ANY, 0, 15, "a later one that has it");
	value_is(&first, SKS_POLICY_MAX_PORTS, 3, 9, "the one that the user is in");
	value_is(&first, SKS_POLICY_WIDE, 1, 4, "not of one that it is not in");
	value_is(&other, SKS_POLICY_MAX_PORTS, 1, 2, "in no group");
	value_is(&primary, SKS_POLICY_MAX_SOCKETS, 31, 14, "the primary group");
}

static void test_builtin(void)
{
	struct sks_peer peer = alone(USER);

	need_use("[user 4712]\nmax-ports = 1\nany = no\n");
	value_is(&peer, SKS_POLICY_MAX_PORTS, 256, 0, "built in");
	value_is(&peer, SKS_POLICY_MAX_SOCKETS, 64, 0, "built in");
	value_is(&peer, SKS_POLICY_MAX_LABELS, 16, 0, "built in");
	for (int key = SKS_POLICY_ANY; key < SKS_POLICY_KEYS; key++)
		value_is(&peer, (enum sks_policy_key)key,
			 key == SKS_POLICY_ANY || key == SKS_POLICY_SHARE, 0, "built in");
	tap_check(sks_policy_allows_label(&file, &peer, "web", NULL), "built in: every label");
}

static void test_labels(void)
{
	const gid_t groups[] = { GROUP };
	struct sks_peer own = alone(USER), member = in_groups(USER + 1, groups, 1);
	struct sks_verdict verdict = {};

	need_use("[user 4711]\nlabels = web-* www\n  dns[0-9]\n[group 4800]\nlabels = mail\n");
	tap_check(!sks_policy_label(&own, "web-1", &verdict) &&
			  !sks_policy_label(&own, "www", &verdict) &&
			  !sks_policy_label(&own, "dns7", &verdict) &&
			  !sks_policy_label(&own, "", &verdict) && !*verdict.text,
		  "labels that match, and none");
	tap_check(sks_policy_label(&own, "web", &verdict) == -EACCES &&
			  !strcmp(verdict.text, "label \"web\" is not for user 4711 (p:2)"),
		  "one that does not: %s", verdict.text);
	tap_check(sks_policy_label(&own, "mail", &verdict) == -EACCES &&
			  !sks_policy_label(&member, "mail", &verdict) &&
			  sks_policy_label(&member, "www", &verdict) == -EACCES,
		  "each by its own section");
	own.root = true;
	tap_check(!sks_policy_label(&own, "web", &verdict), "root uses every label");
}

/* --- addresses -------------------------------------------------------------------------------- */

static int place(const struct sks_peer *peer, const char *text, struct sks_verdict *verdict)
{
	struct sks_prefix p = prefix(text);

	*verdict = (struct sks_verdict){};
	return sks_policy_place(peer, &p, verdict);
}

static void test_place(void)
{
	struct sks_peer peer = alone(USER);
	struct sks_verdict verdict;

	need_use("[user 4711]\nprefixes = 192.0.2.0/25 192.0.2.128/25\n  [2001:db8::/32]\n");
	tap_check(!place(&peer, "192.0.2.0/25", &verdict) && !place(&peer, "192.0.2.7", &verdict) &&
			  !place(&peer, "[2001:db8:7::/48]", &verdict),
		  "inside one of the prefixes");
	tap_check(place(&peer, "192.0.2.0/24", &verdict) == -EACCES &&
			  !strcmp(verdict.text, "192.0.2.0/24 is outside of the prefixes of user "
						"4711 (p:2)"),
		  "in two halves is not in one: %s", verdict.text);
	tap_check(place(&peer, "0.0.0.0/0", &verdict) == -EACCES &&
			  place(&peer, "[2001:db9::]", &verdict) == -EACCES,
		  "wider, and elsewhere");
	peer.granted = true;
	tap_check(!place(&peer, "0.0.0.0/0", &verdict), "what was granted before stays");
	peer = alone(USER);
	peer.root = true;
	tap_check(!place(&peer, "0.0.0.0/0", &verdict), "root everywhere");
	peer = alone(USER + 1);
	tap_check(!place(&peer, "0.0.0.0/0", &verdict), "without the key everywhere");
}

static void test_shadows(void)
{
	const gid_t groups[] = { 1, GROUP, GROUP + 5 };
	struct sks_peer own = alone(USER), member = in_groups(USER + 1, groups, 3), root = alone(0);

	root.root = true;
	need_use("[user 4711]\nshadow = yes\n[group 4805]\nshadow = yes\n");
	tap_check(sks_policy_shadows(&own) && sks_policy_shadows(&member) &&
			  sks_policy_shadows(&root),
		  "who may take a prefix from a wildcard listener");
	member.n_groups = 2;
	root.root = false;
	tap_check(!sks_policy_shadows(&member) && !sks_policy_shadows(&root), "and who may not");
}

static void test_absent(void)
{
	struct sks_peer peer;

	need_use("[default]\nprefixes = 127.0.0.1\n[group 0]\nshadow = yes\n");
	peer = sks_policy_absent(USER);
	tap_check(!sks_policy_shadows(&peer) &&
			  !sks_policy_place(&peer, &(struct sks_prefix){}, NULL),
		  "who is not connected keeps what it has, and is in no group that is not its own");
	peer = sks_policy_absent(0);
	tap_check(sks_policy_shadows(&peer), "root is root");
}

/* --- targets ---------------------------------------------------------------------------------- */

/* lines: of what allows it, in order, 0 after them. */
static void allowed(const struct sks_peer *peer, const char *spec, const unsigned int *lines)
{
	struct sks_spec_error error;
	struct sks_ruling ruling;
	struct sks_target target;
	size_t n, i = 0;

	need_done(sks_spec_parse(spec, strlen(spec), &target, 1, &n, &error), spec);
	if (!sks_policy_judge(peer, &limits, &target, &ruling)) {
		while (i < ruling.n_lines && ruling.lines[i] == lines[i])
			i++;
		tap_check(i == ruling.n_lines && !lines[i], "%s is allowed by %zu rules", spec,
			  ruling.n_lines);
	} else {
		tap_check(false, "%s is refused: %s", spec, ruling.why);
	}
}

static void refused(const struct sks_peer *peer, const char *spec, unsigned int line,
		    const char *text)
{
	struct sks_spec_error error;
	struct sks_ruling ruling;
	struct sks_target target;
	size_t n;
	int err;

	need_done(sks_spec_parse(spec, strlen(spec), &target, 1, &n, &error), spec);
	err = sks_policy_judge(peer, &limits, &target, &ruling);
	tap_check(err == -EACCES && ruling.n_lines == !!line &&
			  (!line || ruling.lines[0] == line) && strstr(ruling.why, text),
		  "%s is refused by line %u: %s", spec, line, ruling.why);
}

#define LINES(...) ((const unsigned int[]){ __VA_ARGS__ })

static void test_grants_add_up(void)
{
	const gid_t groups[] = { GROUP };
	struct sks_peer peer = in_groups(USER, groups, 1), other = alone(USER + 1);

	need_use("[default]\nports = 7\n[group 4800]\nports = 80-89;53/udp\n"
		 "[user 4711]\nports = 90,443\n  192.0.2.0/24:25\n");
	allowed(&peer, "7", LINES(2, 0));
	allowed(&peer, "85", LINES(4, 0));
	allowed(&peer, "443", LINES(6, 0));
	allowed(&peer, "192.0.2.3:25", LINES(7, 0));
	allowed(&peer, "85-90", LINES(4, 6, 0));
	allowed(&peer, "8080", LINES(0));
	allowed(&other, "7", LINES(2, 0));
	refused(&peer, "84-91", 0, "port 91 is for root");
	refused(&peer, "25", 0, "port 25 is for root");
	refused(&peer, "80/udp", 0, "and p does not grant it to user 4711");
	refused(&other, "80", 0, "and p does not grant it to user 4712");
}

static void test_ranges_of_both_families(void)
{
	struct sks_peer peer = alone(USER);

	need_use("[user 4711]\nports = 0.0.0.0/0:80-90;[::/0]:80-85\n");
	allowed(&peer, "80-85", LINES(2, 0));
	refused(&peer, "80-86", 0, "port 86 is for root");
	allowed(&peer, "127.0.0.1:80-90", LINES(2, 0));
}

static void test_any_and_wide(void)
{
	struct sks_peer peer = alone(USER), free_one = alone(USER + 1);

	need_use("[user 4711]\nany = no\nwide = yes\nports = *\n[user 4712]\nwide = yes\n");
	refused(&peer, "any:8080", 2, "to open at every address (\"any:\") is not for user 4711");
	refused(&peer, "0.0.0.0/0:8080", 2, "to open at every address");
	refused(&peer, "[::/0]:8080", 2, "to open at every address");
	allowed(&peer, "0.0.0.0/1:8080", LINES(0));
	allowed(&peer, "*", LINES(3, 4, 0));
	allowed(&peer, "2000-4000", LINES(3, 0));
	refused(&peer, "*/udp", 0, "port 1 is for root");
	refused(&free_one, "*", 0, "port 1 is for root");
	allowed(&free_one, "1024-65535", LINES(6, 0));
	allowed(&free_one, "any:8080", LINES(0));
}

static void test_prefixes_of_targets(void)
{
	struct sks_peer peer = alone(USER);

	need_use("[user 4711]\nprefixes = 192.0.2.0/24\n[user 4712]\nprefixes = 0.0.0.0/0\n");
	allowed(&peer, "192.0.2.0/24:8080", LINES(2, 0));
	refused(&peer, "192.0.2.0/23:8080", 2, "192.0.2.0/23 is outside of the prefixes");
	refused(&peer, "[::1]:8080", 2, "[::1] is outside of the prefixes of user 4711");
	refused(&peer, "any:8080", 2, "every address (\"any:\") is outside");
	allowed(&peer, "8080", LINES(2, 0));
	peer.uid++;
	allowed(&peer, "any:8080", LINES(4, 0));
}

static void test_quota(void)
{
	static const struct sks_target wide = { .first = 1, .last = 65535, .proto = IPPROTO_TCP },
				       two = { .first = 80, .last = 81, .proto = IPPROTO_TCP };
	const struct sks_target targets[] = { wide, two };
	struct sks_peer peer = alone(USER);
	struct sks_verdict verdict = {};

	need_use("[user 4711]\nmax-ports = 3\n[user 4712]\nmax-ports = 2\n");
	tap_check(!sks_policy_count(&peer, targets, 2, &verdict), "\"*\" counts as one port");
	peer.uid++;
	tap_check(sks_policy_count(&peer, targets, 2, &verdict) == -EDQUOT &&
			  !strcmp(verdict.text, "more than 2 ports for user 4712 (p:4)"),
		  "and no less: %s", verdict.text);
	peer.root = true;
	tap_check(!sks_policy_count(&peer, targets, 2, &verdict), "root has no quota");
	tap_check(sks_usage_of_range(5, 5) == 1 && sks_usage_of_range(1, 1024) == 1024 &&
			  sks_usage_of_range(1, 1025) == 1,
		  "what ranges count");
}

/* --- the text --------------------------------------------------------------------------------- */

static void test_errors(void)
{
	static const struct {
		const char *text, *error;
	} bad[] = {
		{ "[user 1]\nany = maybe\n", "p:2: any: \"maybe\": neither yes nor no" },
		{ "[user 1]\nany = Yes\n", "p:2: any: \"Yes\": neither yes nor no" },
		{ "[user 1]\nmax-ports = 4294967296\n",
		  "p:2: max-ports: \"4294967296\": not a number from 0 to 4294967295" },
		{ "[user 1]\nmax-labels =\n",
		  "p:2: max-labels: \"\": not a number from 0 to 4294967295" },
		{ "[user 1]\nmax-ports = 1\n  2\n",
		  "p:3: max-ports: \"2\": it has one value, in one line" },
		{ "[user 1]\nprefixes = 192.0.2.1/24\n",
		  "p:2: prefixes: \"192.0.2.1/24\": has bits beyond its length: write "
		  "192.0.2.0/24" },
		{ "[user 1]\nprefixes =\n", "p:2: prefixes: \"\": nothing is named" },
		{ "[user 1]\nlabels = web,mail\n",
		  "p:2: labels: \"web,mail\": labels are separated by blanks, and have letters, "
		  "digits, \"_\", \".\" and \"-\" (*, ? and [...] match them)" },
		{ "[user 1]\nlabels = "
		  "x23456789012345678901234567890123456789012345678901234567890123x\n",
		  "p:2: labels: \"x23456789012345678901234567890123456789012345678901234567890"
		  "...\": no label has more than 63 characters" },
		{ "[group 1]\nany = no\n[group 1]\nwide = no\nany = no\n",
		  "p:5: any: \"no\": group 1 has any already, in line 2" },
		{ "[default]\nany = no\n[default]\nany = no\n",
		  "p:4: any: \"no\": [default] has any already, in line 2" },
		{ "[group no-such-group]\n",
		  "p:1: \"[group no-such-group]\": there is no such group" },
		{ "[group 4294967295]\n", "p:1: \"[group 4294967295]\": there is no such group" },
		{ "[Default]\n", "p:1: \"[Default]\": no such section; there are [user NAME], "
				 "[group NAME] and [default]" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		int err = use(bad[i].text);

		tap_check(err == -EINVAL && !strcmp(why, bad[i].error) && !file.n_sections &&
				  !file.n_items && !file.sections && !file.items,
			  "refused: %s", why);
	}
}

static void test_groups(void)
{
	gid_t many[1000];
	struct sks_peer peer = in_groups(USER, many, 1000);
	bool all = true;

	for (gid_t i = 0; i < 1000; i++)
		many[i] = 3 * i + 1;
	for (gid_t gid = 0; gid < 3000; gid++)
		all &= sks_peer_has_group(&peer, gid) == (gid % 3 == 1);
	tap_check(all && sks_peer_has_group(&peer, USER), "groups are found among a thousand");
	peer = (struct sks_peer){ .uid = 4294967294u };
	tap_check(sks_groups_of_user(&peer) == -ENOENT && peer.gid == (gid_t)-1 && !peer.n_groups,
		  "who is in no user database is in no group");
	peer.uid = 0;
	tap_check(!sks_groups_of_user(&peer) && sks_peer_has_group(&peer, 0), "root is in its own");
}

int main(void)
{
	test_order();
	test_builtin();
	test_labels();
	test_place();
	test_shadows();
	test_absent();
	test_grants_add_up();
	test_ranges_of_both_families();
	test_any_and_wide();
	test_prefixes_of_targets();
	test_quota();
	test_errors();
	test_groups();
	sks_policy_file_free(&file);
	return tap_done();
}
