#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of what status counts of a service, by family: each packet once, and as what it was.

load acts

# times N CMD...
times() {
	local i
	for ((i = 0; i < $1; i++)); do
		"${@:2}"
	done
}

# counted LABEL FAMILY STEERED,REFUSED,ERRORS,LAST_ERRNO
counted() {
	is "$(service ".counters.$2 | [.steered, .refused, .errors, .last_errno] | @csv" "$1")" "$3"
}

# counted_all LABEL STEERED,REFUSED,ERRORS: of both families.
counted_all() {
	is "$(service '.counters | [.steered, .refused, .errors] | @csv' "$1")" "$2"
}

@test "connections are counted as steered or refused, each in its family, whoever serves the label" {
	start_helper
	serve web any:7,8 SKSTEER_LABEL=web ::#7777
	serve other any:9 SKSTEER_LABEL=other ::#9999
	times 3 gets 127.0.0.1 7 web
	times 2 gets 127.0.0.2 8 web
	times 4 gets ::1 7 web
	# Not steered: nobody's.
	times 2 gets 127.0.0.1 7777 web
	refused 127.0.0.1 6
	counted web ipv4 5,0,0,0
	counted web ipv6 4,0,0,0
	counted_all web 9,0,0
	counted_all other 0,0,0
	kill_server web
	times 2 refused 127.0.0.1 8
	times 3 refused ::1 7
	counted web ipv4 5,2,0,0
	counted web ipv6 4,3,0,0
	kill_helper
	refused 127.0.0.1 7
	counted web ipv4 5,3,0,0
	start_helper
	counted web ipv4 5,3,0,0
	# The next instance has a destination of its own.
	serve web 7,8 SKSTEER_LABEL=web 0.0.0.0#7777
	silent web
	times 2 gets 127.0.0.1 7 web
	counted web ipv4 7,3,0,0
	counted web ipv6 4,3,0,0
	counted_all web 11,6,0
	counted_all other 0,0,0
}

@test "a datagram that its socket does not take is an error with its errno, in its family" {
	start_helper
	act dns SKSTEER_LABEL=dns SKSTEER_PORTS=any:53/udp
	does dns 'open v4 udp 0.0.0.0 5353' 'open v6 udp :: 5353 v6only'
	times 3 gets_udp 127.0.0.1 53 v4
	times 2 gets_udp ::1 53 v6
	counted dns ipv4 3,0,0,0
	counted dns ipv6 2,0,0,0
	does dns 'connect v4 127.0.0.1 9'
	times 2 refused_udp 127.0.0.1 53
	# ESOCKTNOSUPPORT: it is connected.
	counted dns ipv4 3,0,2,94
	counted dns ipv6 2,0,0,0
	# The older one takes what the newer does not: that is no error.
	does dns 'open more udp 0.0.0.0 5353' 'connect more 127.0.0.1 9' 'open last udp 0.0.0.0 5353'
	gets_udp 127.0.0.1 53 last
	does dns 'open newest udp 0.0.0.0 5353' 'connect newest 127.0.0.1 9'
	gets_udp 127.0.0.1 53 last
	counted dns ipv4 5,0,2,94
	does dns 'connect v6 ::1 9'
	refused_udp ::1 53
	counted dns ipv6 2,0,1,94
	counted_all dns 7,0,3
	does dns 'close v4' 'close more' 'close last' 'close newest'
	times 2 refused_udp 127.0.0.1 53
	counted dns ipv4 5,2,2,94
	counted dns ipv6 2,0,1,94
}

@test "a destination that gets the number of one that has gone begins at 0" {
	local i
	start_helper
	ctl bind label0 127.0.0.9:30000
	serve first any:7 0.0.0.0#7777
	times 3 gets 127.0.0.1 7 first
	kill_server first
	wait_until 5 services_are label0
	# As many as a namespace begins with room for: one of them has that number.
	for i in {1..127}; do
		ctl bind "label$i" "127.0.0.9:$((30000 + i))"
	done
	is "$(status_jq '[.services[].counters | .steered + .refused + .errors] | add')" 0
}
