#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the proof that the examples of the man pages work: they are run as they stand there.

bats_require_minimum_version 1.5.0
load lib

setup() {
	sks_setup
	need ncat jq
	cd "$SKS_DIR" || return
	export PATH=$PROGS:$PATH
}

teardown() {
	sks_teardown
}

# displays PAGE SECTION: what stands there apart from the text, as it is read.
displays() {
	awk -v name="$2" '/^\.Sh/ { inside = substr($0, 5) == name } /^\.Ed/ { shown = 0 }
		inside && shown; /^\.Bd/ { shown = 1 }' "$SKS_ROOT/docs/$1" |
		sed "s/\\\\(aq/'/g; s/\\\\-/-/g; s/\\\\&//g"
}

# examples PAGE COUNT: its commands in EXAMPLES, of which there are so many, in $EXAMPLES.
examples() {
	mapfile -t EXAMPLES < <(displays "$1" EXAMPLES | grep sksteer)
	is "${#EXAMPLES[@]}" "$2"
}

# serve NAME COMMAND-LINE
serve() {
	start_server "$1" bash -c "exec $2"
}

# answered PLACE...: ADDRESS#PORT
answered() {
	local place
	for place in "$@"; do
		wait_answer "${place%#*}" "${place#*#}"
	done
}

@test "sksteer-run(1): ports, as the server is bound" {
	examples sksteer-run.1 7
	serve web "${EXAMPLES[0]}"
	answered 127.0.0.1#7 127.0.0.1#77 ::1#777
}

@test "sksteer-run(1): ports of every address" {
	examples sksteer-run.1 7
	in_ns ip address add 192.0.2.7/32 dev lo
	serve web "${EXAMPLES[1]}"
	answered 127.0.0.1#7 192.0.2.7#77 192.0.2.7#777
	refused 192.0.2.7 7777
}

@test "sksteer-run(1): a prefix" {
	examples sksteer-run.1 7
	in_ns ip route add local 192.0.2.0/24 dev lo
	serve web "${EXAMPLES[2]}"
	answered 192.0.2.7#8000 192.0.2.8#8100
	refused 192.0.2.7 8101
	refused 127.0.0.1 8000
}

@test "sksteer-run(1): every port" {
	examples sksteer-run.1 7
	serve web "${EXAMPLES[3]}"
	answered 127.0.0.1#1 127.0.0.1#65535
}

@test "sksteer-run(1): the next server of a label" {
	examples sksteer-run.1 7
	serve old "${EXAMPLES[4]}"
	answered 127.0.0.1#80
	serve new "${EXAMPLES[5]}"
	wait_until 5 listening 7778
	wait_until 5 served_by "$(pid_of new)"
	kill_server old
	answered 127.0.0.1#80
}

served_by() {
	[[ $(in_ns "$CTL" status web --json |
		jq '[.services[].sockets[] | select(.state == "listening").pid] | unique | .[]') == "$1" ]]
}

@test "sksteer-run(1): what a preload does not reach" {
	examples sksteer-run.1 7
	serve web "${EXAMPLES[6]}"
	answered 127.0.0.1#80
}

@test "sksteerd(8): a helper beside the system's" {
	examples sksteerd.8 2
	cp "$SKS_ROOT/packaging/policy.conf" .
	serve try "${EXAMPLES[0]}"
	wait_until 5 accepts /run/try/helper.sock
	serve web "env ${EXAMPLES[1]}"
	answered 127.0.0.1#80
	is "$(in_ns "$CTL" --socket /run/try/helper.sock --bpffs /sys/fs/bpf/try status --json |
		jq -r '.services[].bindings[].ports' | uniq)" 80
}

# step N: that example of sksteerctl(8).
step() {
	in_ns bash -c "${EXAMPLES[$1]}"
}

@test "sksteerctl(8): from the first look to the last" {
	examples sksteerctl.8 9
	SOCKET=/run/sksteer/helper.sock start_helper
	start_server old ncat -lke /bin/cat 7777
	wait_port 7777
	# The pids of a test are the machine's.
	printf '#!/bin/sh\necho %s\n' "$(pid_of old)" > "$PROGS/pidof"
	chmod +x "$PROGS/pidof"
	is "$(step 0)" 'nothing is steered in this network namespace'
	step 1
	has "$(step 0)" 'waiting for a listener: 8081'
	step 2
	step 3
	step 4
	answered 127.0.0.1#80 127.0.0.1#443 127.0.0.1#8443
	refused 127.0.0.1 8081
	is "$(step 8)" web
	# To a file: the new server keeps its output open.
	step 5 > upgrade.log 2>&1 3>&-
	has "$(log_of upgrade)" 'moved: "web" is served by process'
	has "$(log_of upgrade)" "ended: process $(pid_of old)"
	answered 127.0.0.1#80 127.0.0.1#7777
	step 6
	is "$(step 8)" ''
	refused 127.0.0.1 80
	is "$(step 7)" 'unloaded: nothing is steered in this network namespace any more'
}

@test "sksteer-policy(5): the example, what is said of it, and what of an error" {
	examples sksteer-policy.5 2
	displays sksteer-policy.5 EXAMPLES | grep -v sksteer > policy.conf
	is "$(in_ns bash -c "${EXAMPLES[0]}")" \
		'./policy.conf: no error; sections: 1 [user], 1 [group], 1 [default]'
	is "$(in_ns bash -c "${EXAMPLES[1]}")" '*: allowed by ./policy.conf:9, ./policy.conf:8'
	displays sksteer-policy.5 SYNTAX > policy.conf
	in_ns "$CTL" policy check ./policy.conf
	printf '[default]\nports = 9-3\n' > policy.conf
	run in_ns "$CTL" policy check ./policy.conf
	is "$output" "sksteerctl: $(displays sksteer-policy.5 DIAGNOSTICS)"
}

@test "sksteer(7): the raw form" {
	SOCKET=/run/sksteer/helper.sock start_helper
	serve raw "env LD_LIBRARY_PATH=$PROGS $(displays sksteer.7 DESCRIPTION) --exec /bin/cat"
	answered 127.0.0.1#7 127.0.0.1#77
}

@test "sksteer(3): the example compiles" {
	{
		printf '#include <err.h>\n#include <sksteer.h>\nvoid example(int fd);\nvoid example(int fd)\n{\n'
		displays sksteer.3 EXAMPLES
		echo '}'
	} > example.c
	"${CC:-gcc}" -I"$SKS_ROOT/preload" -Wall -Wextra -Werror -fsyntax-only example.c
}
