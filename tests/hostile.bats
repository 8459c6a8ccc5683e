#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of clients that mean harm (progs/hostile.c): while they are at it others are served within
# a second each, and what the helper keeps stays bounded.
# bats file_tags=sanitize

load promises

setup() {
	sks_setup
	need /usr/bin/python3
	cp "$BATS_TEST_DIRNAME/wire_probe.py" "$PROGS"
	# A sanitized helper would keep what it has freed.
	export ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=0:thread_local_quarantine_size_kb=0
	start_helper
	# The first registration opens the namespace's maps, for as long as the helper lives.
	serve web 7 0.0.0.0#7777
	wait_until 5 helper_rests
	FDS=$(open_fds "$(helper_pid)")
	MEMORY=$(memory)
}

# memory: of the helper itself, in KiB.
memory() {
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB$/\1/p' "/proc/$(helper_pid)/status"
}

is_busy() {
	grep -qx busy "$SKS_DIR/$1.log"
}

# attack NAME HOW [N]: as user $AS, nobody unless said.
attack() {
	local name=$1 AS_WHO
	shift
	AS=${AS:-nobody} as_who
	start_server "$name" "${AS_WHO[@]}" "$PROGS/hostile" "$SOCKET" "$@"
	wait_until 20 is_busy "$name"
}

# Each has no more than the library's 0.9 s, or it would say so.
others_are_served() {
	local i
	for i in {1..5}; do
		AS=user2 serve "user$i" "$((2500 + i))" "0.0.0.0#$((7000 + i))"
		silent "user$i"
		AS=root serve "root$i" "$((3500 + i))" "0.0.0.0#$((8000 + i))"
		silent "root$i"
	done
	gets 127.0.0.1 2505 user5
	gets 127.0.0.1 3505 root5
}

keeps_no_more_fds_than() {
	(($(open_fds "$(helper_pid)") <= FDS + $1))
}

# In KiB.
keeps_no_more_memory_than() {
	(($(memory) <= MEMORY + $1))
}

# Every test of this file ends so: with the attackers gone, and their sockets swept.
is_unharmed() {
	local name
	for name; do
		kill_server "$name"
	done
	wait_until 3 keeps_no_more_fds_than 0
	wait_until 3 keeps_no_more_memory_than 16384 || fail "$MEMORY KiB before, now $(memory)"
	gets 127.0.0.1 7 web
	serve last 2000-2255 0.0.0.0#9999
	silent last
	stop_helper
}

@test "hostile: 10 000 connections that say nothing" {
	attack silent silent 10000
	others_are_served
	wait_until 5 keeps_no_more_fds_than 128
	is_unharmed silent
}

@test "hostile: 10 000 users at once with a silent connection each" {
	AS=root attack many many 10000
	others_are_served
	wait_until 5 keeps_no_more_fds_than 896
	is_unharmed many
}

@test "hostile: connections that come and go as fast as they can" {
	attack one churn
	attack two churn
	others_are_served
	is_unharmed one two
}

@test "hostile: a byte a second" {
	attack dribble dribble
	others_are_served
	is_unharmed dribble
}

@test "hostile: descriptors for ever, one with each record" {
	attack send send 1
	others_are_served
	is_unharmed send
}

@test "hostile: descriptors for ever, 253 with each record" {
	attack send send 253
	others_are_served
	is_unharmed send
}

@test "hostile: clients that leave in the middle" {
	attack leave leave
	others_are_served
	is_unharmed leave
}

@test "hostile: answers that nobody reads" {
	attack deaf deaf 2000
	others_are_served
	is_unharmed deaf
}

@test "hostile: reports that are kept open, read or unread" {
	local text='EDQUOT 32 reports of user 65534 are still open'
	attack collect collect 500
	wait_until 5 keeps_no_more_fds_than 34
	AS=nobody as_who
	is "$(in_ns "${AS_WHO[@]}" /usr/bin/python3 "$PROGS/wire_probe.py" "$SOCKET" status)" "status: $text"
	is "$(AS=user2 status_as)" '[]'
	is "$(status_jq '.services | length')" 2
	others_are_served
	kill_server collect
	is "$(AS=nobody status_as)" '["deaf"]'
	is_unharmed
}

# The labels of $AS, of which it has no server.
status_as() {
	local AS_WHO
	as_who
	in_ns "${AS_WHO[@]}" env SKSTEER_SOCKET="$SOCKET" "$CTL" status --json |
		jq -c '[.services[].label]'
}

@test "hostile: registers and unregisters in a loop" {
	attack toggle toggle
	others_are_served
	is_unharmed toggle
}

@test "hostile: closes its socket while it is registered" {
	attack race race
	others_are_served
	is_unharmed race
}

@test "hostile: registers in namespaces that die" {
	attack dying netns
	others_are_served
	is_unharmed dying
}

# A server of $AS in a user and a network namespace of its own.
serves_in_own_namespace() {
	local AS_WHO
	as_who
	run in_ns "${AS_WHO[@]}" unshare --user --net env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" \
		SKSTEER_PORTS=2000 "$PROGS/calls" tcp4 bind=0.0.0.0#7777 listen
	is "$output" $'bind ok\nlisten ok'
}

@test "hostile: one user's namespaces take no other's place" {
	local AS_WHO
	AS=nobody as_who
	run --separate-stderr in_ns "${AS_WHO[@]}" /usr/bin/python3 "$PROGS/wire_probe.py" "$SOCKET" \
		many-namespaces
	is "$output" 'many-namespaces: EDQUOT more than 64 network namespaces of the user who made this one'
	# shellcheck disable=SC2154 # bats sets $stderr
	is "$(grep -c '^steered' <<< "$stderr")" 64
	AS=user2 serves_in_own_namespace
	# They have gone with their process, and make room.
	AS=nobody wait_until 5 serves_in_own_namespace
	others_are_served
	is_unharmed
}

@test "hostile: labels with control characters, and records of 10 KiB" {
	attack babble babble
	others_are_served
	is_unharmed babble
}
