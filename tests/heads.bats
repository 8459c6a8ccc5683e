#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of a destination with several sockets whose first one closes: who serves at once,
# who after the helper has looked, and who when that happens between two helpers.

load acts

# helper_sleeps: no sweep until helper_wakes.
helper_sleeps() {
	kill -STOP "$(helper_pid)"
}

helper_wakes() {
	kill -CONT "$(helper_pid)"
}

# worker NAME: one of the servers of label web that share their ports (SO_REUSEPORT).
worker() {
	serve "$1" any:80 SKSTEER_LABEL=web SKSTEER_INSTANCE="$(printf %032x 1)" -r \
		0.0.0.0#7777 ::#7777
	silent "$1"
}

# share 'NAME...': these, sorted, serve port 80, all of them, and nobody else.
share() {
	local i seen=()
	for i in {1..20}; do
		seen+=("$(ask 127.0.0.1 80 | cut -d ' ' -f 1)" "$(ask ::1 80 | cut -d ' ' -f 1)")
	done
	is "$(printf '%s\n' "${seen[@]}" | sort -u | xargs)" "$1"
}

@test "the newest of several servers closes: the others serve at once, and when that is seen" {
	start_helper
	worker a
	worker b
	worker c
	share 'a b c'
	helper_sleeps
	kill_server c
	share 'a b'
	helper_wakes
	wait_sockets 4
	share 'a b'
	kill_server b
	share a
	wait_sockets 2
	share a
	worker d
	kill_server a
	share d
	wait_sockets 2
	audit
	kill_server d
	plain stranger 0.0.0.0#80 ::1#80
	refused 127.0.0.1 80
	refused ::1 80
	wait_sockets 0
	refused 127.0.0.1 80
	refused ::1 80
	worker e
	share e
}

@test "two hundred sockets close at once: within a second the helper knows of none of them" {
	local i opens=()
	start_helper
	act stays SKSTEER_LABEL=stays SKSTEER_PORTS=any:53/udp
	does stays 'open a udp 0.0.0.0 5353'
	act goes SKSTEER_PORTS=any:80
	for i in {1..200}; do
		opens+=("open s$i tcp 0.0.0.0 7777 reuse")
	done
	does goes "${opens[@]}"
	wait_sockets 201
	kill_server goes
	wait_until 1 audit
	wait_sockets 1
	gets_udp 127.0.0.1 53 a
}

# Without SO_REUSEPORT the newest has it all, so each answer says who is first.
three_of_udp() {
	act dns SKSTEER_LABEL=dns SKSTEER_PORTS=any:53/udp
	does dns 'open a udp 0.0.0.0 5353' 'open b udp 0.0.0.0 5353' 'open c udp 0.0.0.0 5353'
	gets_udp 127.0.0.1 53 c
}

@test "of sockets that do not share, the newest that is open serves, whichever closes" {
	start_helper
	three_of_udp
	helper_sleeps
	does dns 'close c'
	gets_udp 127.0.0.1 53 b
	helper_wakes
	wait_sockets 2
	gets_udp 127.0.0.1 53 b
	# One in the middle of the chain, and then its first.
	does dns 'open d udp 0.0.0.0 5353'
	gets_udp 127.0.0.1 53 d
	does dns 'close b'
	wait_sockets 2
	gets_udp 127.0.0.1 53 d
	does dns 'close d'
	gets_udp 127.0.0.1 53 a
	wait_sockets 1
	gets_udp 127.0.0.1 53 a
	audit
}

@test "sockets close between two helpers: the newest that is open serves before the next and after" {
	start_helper
	three_of_udp
	kill_helper
	does dns 'close c'
	gets_udp 127.0.0.1 53 b
	start_helper
	wait_sockets 2
	gets_udp 127.0.0.1 53 b
	does dns 'close b'
	gets_udp 127.0.0.1 53 a
	wait_sockets 1
	kill_helper
	does dns 'close a'
	plain stranger 0.0.0.0#53/udp
	refused_udp 127.0.0.1 53
	start_helper
	wait_sockets 0
	refused_udp 127.0.0.1 53
	does dns 'open next udp 0.0.0.0 5353'
	gets_udp 127.0.0.1 53 next
	audit
}
