#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of sksteerctl policy: what it says of a policy file, and of who gets what by one.
# bats file_tags=sanitize

load lib
load policy

setup() {
	sks_setup
}

teardown() {
	sks_teardown
}

# says STATUS WORD...: `sksteerctl policy` prints $LINES, stderr first, and exits with that status.
says() {
	local expected=$1 text
	text=$(IFS=$'\n' && echo "${LINES[*]}")
	shift
	run in_ns "$CTL" policy "$@"
	is "$output" "$text"
	is "$status" "$expected"
}

@test "sksteerctl policy check: a summary, or what the helper would say" {
	write '[user nobody]' 'ports = 80' '[user root]' '[group 1]' 'any = no' '[default]' 'wide = no'
	LINES=("$POLICY: no error; sections: 2 [user], 1 [group], 1 [default]")
	says 0 check "$POLICY"
	write '[user nobody]' 'max-labels = many'
	LINES=("sksteerctl: $POLICY:2: max-labels: \"many\": not a number from 0 to 4294967295")
	says 1 check "$POLICY"
	LINES=("sksteerctl: $POLICY.none: No such file or directory")
	says 1 check "$POLICY.none"
	# As another system's editor writes it.
	write $'\xef\xbb\xbf[default]\r' $'any = no\r'
	LINES=("$POLICY: no error; sections: 0 [user], 0 [group], 1 [default]")
	says 0 check "$POLICY"
	write '[default]'
	chmod 666 "$POLICY"
	LINES=("sksteerctl: note: no helper would use $POLICY as it is: it may be written to by others than root, and grants privileges"
		"$POLICY: no error; sections: 0 [user], 0 [group], 1 [default]")
	says 0 check "$POLICY"
}

@test "sksteerctl policy explain: each target, and the rule that decides" {
	write '[user nobody]' 'ports = 80' '  192.0.2.0/24:70-79' 'wide = yes' '[group nogroup]' \
		'ports = 443' 'any = no' '[default]' 'max-ports = 600' 'wide = no'
	in_ns sysctl -qw net.ipv4.ip_unprivileged_port_start=1000
	LINES=("80: allowed by $POLICY:2"
		"443: allowed by $POLICY:6"
		"8000-8599: allowed by the built-in rule"
		"192.0.2.7:75: allowed by $POLICY:3"
		"1000-65535: allowed by $POLICY:4")
	LINES+=("all together: refused: more than 600 ports for user 65534 ($POLICY:9)")
	says 1 explain nobody '80,443,8000-8599;192.0.2.7:75;1000-65535' --policy "$POLICY"
	LINES=("any:8080: refused by $POLICY:7: to open at every address (\"any:\") is not for user 65534"
		"81: refused by the built-in rule: port 81 is for root (net.ipv4.ip_unprivileged_port_start is 1000), and $POLICY does not grant it to user 65534")
	says 1 explain nobody '8080=any:8080;8080=81' --policy "$POLICY"
	LINES=("1000: allowed by the built-in rule")
	says 0 explain nobody 1000 --policy "$POLICY"
	LINES=('sksteerctl: note: the user database has no user 65533: taken to be in no group'
		"*: refused by $POLICY:10: \"*\" and ranges of more than 1024 ports are for root")
	says 1 explain 65533 '*' --policy "$POLICY"
	LINES=('*: allowed by the built-in rule: root may have everything')
	says 0 explain root '*' --policy "$POLICY"
}

@test "sksteerctl policy explain: prefixes, and groups by the user database" {
	own_etc
	in_ns sh -c 'echo "sksteer-test:x:5000:daemon,nobody" >> /etc/group'
	in_ns sh -c 'printf "[group sksteer-test]\nprefixes = 192.0.2.0/24\n" > /etc/sksteer/policy.conf'
	LINES=("80: refused by the built-in rule: port 80 is for root (net.ipv4.ip_unprivileged_port_start is 1024), and $POLICY does not grant it to user 65534"
		"8080: allowed by $POLICY:2, where the server listens inside its prefixes"
		"192.0.2.7:8080: allowed by $POLICY:2"
		"any:8080: refused by $POLICY:2: every address (\"any:\") is outside of the prefixes of user 65534"
		"127.0.0.1:8080: refused by $POLICY:2: 127.0.0.1 is outside of the prefixes of user 65534")
	says 1 explain nobody '80;8080;192.0.2.7:8080;any:8080;127.0.0.1:8080'
	in_ns rm /etc/sksteer/policy.conf
	LINES=("sksteerctl: note: there is no $POLICY" "any:8080: allowed by the built-in rule")
	says 0 explain nobody any:8080
}

@test "sksteerctl policy: it needs no helper, and an ordinary user may ask" {
	write '[user nobody]' 'ports = 80'
	run as_user "$CTL" policy explain nobody 80 --policy "$POLICY"
	is "$output" "80: allowed by $POLICY:2"
	is "$status" 0
	chmod 600 "$POLICY"
	run as_user "$CTL" policy check "$POLICY"
	is "$output" "sksteerctl: $POLICY: Permission denied"
	is "$status" 1
}

@test "sksteerctl policy: wrong usage" {
	write '[default]'
	local usage='sksteerctl: policy: it takes check and a FILE, or explain, a USER and a SPEC (see policy --help)'
	LINES=("$usage")
	says 2 check "$POLICY" more
	says 2 explain nobody
	says 2 check "$POLICY" --policy "$POLICY"
	LINES=('sksteerctl: policy: "frobnicate" is neither check nor explain (see policy --help)')
	says 2 frobnicate "$POLICY"
	LINES=('sksteerctl: policy explain: "9-3" at character 1: the range ends before it begins')
	says 2 explain nobody 9-3
	LINES=('sksteerctl: policy explain: the spec is empty')
	says 2 explain nobody ''
	LINES=('sksteerctl: policy explain: "no-such-user": there is no such user')
	says 1 explain no-such-user 80
	run ctl status --policy "$POLICY"
	is "$output" 'sksteerctl: status: --policy is an option of policy'
}

@test "policy: the example that is installed, with each of its examples uncommented" {
	POLICY=$SKS_DIR/policy.conf
	sed 's/^#\([^ ]\|  \)/\1/' "$BATS_TEST_DIRNAME/../packaging/policy.conf" > "$POLICY"
	LINES=("$POLICY: no error; sections: 2 [user], 1 [group], 1 [default]")
	says 0 check "$POLICY"
	# What it says of the built-in rule is what holds without it.
	is "$(grep -c '^\(max-\|labels\|any\|wide\|shadow\|share\)' "$POLICY")" 10
}
