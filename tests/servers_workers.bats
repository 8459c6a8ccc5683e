#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests, with servers.py, of the ways in which processes and threads share a listener that is
# steered to.
# shellcheck disable=SC2016 # what is in single quotes is for the server's own shell
# shellcheck disable=SC2030,SC2031 # bats makes each test a subshell, which run does not leave

load lib

# Debian's, which every user can run; another may be in PATH.
PYTHON=/usr/bin/python3

setup() {
	sks_setup
	start_helper
}

teardown() {
	sks_teardown
}

start_workers() {
	start_steered workers "$1" "$PYTHON" "$BATS_TEST_DIRNAME/servers.py" "$2"
	wait_until 5 ask 127.0.0.1 7
	wait_until 5 ask ::1 7
}

# ask_at_once N PORT: holds N connections open at the same time, and prints who answers each.
ask_at_once() {
	in_ns timeout --signal=KILL $((5 * SKS_SLOW)) bash -c '
		for ((i = 0; i < $1; i++)); do
			exec {fd}<> "/dev/tcp/127.0.0.1/$2" && fds+=($fd) && echo hello >&"$fd" || exit
		done
		for fd in "${fds[@]}"; do
			read -r who port word <&"$fd" && [[ $port == "$2" && $word == hello ]] || exit
			echo "$who"
		done' ask "$@"
}

# ask_in_turn N ADDRESS PORT: asks N times, and prints which process answered each.
ask_in_turn() {
	in_ns timeout --signal=KILL $((5 * SKS_SLOW)) bash -c '
		for ((i = 0; i < $1; i++)); do
			{ echo hello >&9 && read -r who port word <&9; } 9<> "/dev/tcp/$2/$3" || exit
			[[ $port == "$3" && $word == hello ]] || exit
			echo "${who%.*}"
		done' ask "$@"
}

# Leaves in $WHO the processes of which one or another has answered.
# shellcheck disable=SC2207 # a list of numbers
ask_who() {
	local answers
	answers=$(ask_in_turn "$@")
	WHO=($(sort -u <<< "$answers"))
}

@test "prefork: three processes accept from one steered socket" {
	local victim
	start_workers 7,77 prefork
	is "$(ask_at_once 3 77 | sort -u | wc -l)" 3
	is "$(ask_at_once 3 77 | cut -d. -f1 | sort -u | wc -l)" 3
	wait_sockets 1
	# One of them is killed: the socket is still there.
	victim=$(ask_at_once 1 7 | cut -d. -f1)
	kill -KILL "$victim"
	wait_until 2 sks_is_gone "$victim" # else it may accept once more
	is "$(ask_at_once 2 77 | sort -u | wc -l)" 2
	# So is it when the process that bound it is gone.
	kill_server workers
	is "$(ask_at_once 2 77 | sort -u | wc -l)" 2
}

@test "listen in a child of the process that bound" {
	local who
	start_workers 7,77 child_listens
	who=$(ask_at_once 1 77 | cut -d. -f1)
	isnt "$who" "$(pid_of workers)"
	is "$(status_jq '.services[].sockets[].state')" listening
	wait_sockets 1
}

@test "threads: three of one process accept from one steered socket" {
	start_workers 7,77 threads
	is "$(ask_at_once 3 77 | sort -u | wc -l)" 3
	is "$(ask_at_once 3 7 | cut -d. -f1 | sort -u)" "$(pid_of workers)"
	wait_sockets 1
}

@test "threads that each bind and listen at the same moment" {
	local i clauses=()
	for i in {0..7}; do
		clauses+=("$((7777 + i))=$((7 + i))")
	done
	start_workers "$(IFS=';' && echo "${clauses[*]}")" binding_threads
	for i in {0..7}; do
		wait_until 5 ask 127.0.0.1 "$((7 + i))"
		has "$(ask ::1 "$((7 + i))" you)" " $((7 + i)) you"
	done
	wait_sockets 8
	is "$(log_of workers)" ''
}

@test "listen twice, the second time with a longer backlog" {
	start_workers 7,77 listen_twice
	has "$(ask 127.0.0.1 77 you)" ' 77 you'
	is "$(in_ns ss -Htln | awk '{ print $3 }')" 64
	wait_sockets 1
	is "$(log_of workers)" ''
}

@test "SO_REUSEPORT: three processes each bind, share the steered ports, and one may die" {
	local WHO
	start_workers 7,77 reuse_port
	wait_sockets 3
	ask_who 30 127.0.0.1 77
	is "${#WHO[@]}" 3
	kill -KILL "${WHO[0]}"
	wait_sockets 2
	ask_who 30 ::1 77
	is "${#WHO[@]}" 2
	kill -KILL "${WHO[0]}"
	wait_sockets 1
	ask_who 10 127.0.0.1 7
	is "${#WHO[@]}" 1
	kill -KILL "${WHO[0]}"
	wait_until 2 refused 127.0.0.1 77
	wait_until 2 refused ::1 7
}
