# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns what the tests of UDP answers share: servers that send back what they receive (progs/udpecho.c),
# and clients that check from where (progs/udpask.c).

bats_require_minimum_version 1.5.0
load lib

SPEC='5353=53,77/udp'
OWN=0.0.0.0#5353
# What SPEC and OWN open on the loopback.
ALL=(127.0.0.1#{53,77,5353})

setup() {
	sks_setup
	need jq
	start_helper
}

teardown() {
	sks_teardown
}

is_ready() {
	grep -qx ready "$SKS_DIR/$1.log"
}

# stop_echo NAME: if there is one.
stop_echo() {
	[[ -z ${SKS_PID[$1]:-} ]] || kill_server "$1"
}

# start_echo NAME [VARIABLE=VALUE]... ADDRESS#PORT WORD...: progs/udpecho.c as the user $AS (root, nobody or
# user2) in $NS, with these variables. Returns when its bind(2) has returned: its ports are steered
# then. An earlier one of that name is killed.
start_echo() {
	local name=$1 vars=() AS_WHO
	shift
	stop_echo "$name"
	while [[ $1 == *=* && $1 != *\#* ]]; do
		vars+=("$1")
		shift
	done
	as_who
	: > "$SKS_DIR/$name.log"
	start_server "$name" "${AS_WHO[@]}" env "${vars[@]}" "$PROGS/udpecho" "$@"
	wait_until 5 is_ready "$name"
}

# echoes NAME [SKSTEER_X=...]... ADDRESS#PORT WORD...: the same under the library.
echoes() {
	local name=$1
	shift
	start_echo "$name" LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" "$@"
}

# udpask ARGUMENT...: from $NS; its verdict, and on stderr what was wrong.
udpask() {
	in_ns env SKS_SLOW="$SKS_SLOW" timeout --signal=KILL $((90 * SKS_SLOW)) "$PROGS/udpask" "$@"
}

# verdict TEXT ARGUMENT...: of udpask, exactly.
verdict() {
	local expected=$1 said
	shift
	said=$(udpask "$@") || :
	[[ $said == "$expected" ]] || fail "udpask $*"$'\n'"expected: $expected"$'\n'"     got: $said"
}

# right ARGUMENT...: each datagram is answered from the address and port that it was sent to, once.
right() {
	local said
	said=$(udpask "$@") || :
	[[ $said =~ ^[1-9][0-9]*\ right$ ]] || fail "udpask $*: $said"
}

# told NAME: what the server said but for "ready".
told() {
	grep -vx ready "$SKS_DIR/$1.log"
}

# local_route PREFIX...: AnyIP: every address of it is this host's.
local_route() {
	local prefix
	for prefix in "$@"; do
		in_ns ip route add local "$prefix" dev lo
	done
}

# far_away: a namespace "far" whose clients reach 10.9.0.1, fd09::1, 192.0.2.0/24 and 2001:db8::/64 here.
far_away() {
	add_ns far
	veth main 10.9.0.1/24 far 10.9.0.2/24
	veth main fd09::1/64 far fd09::2/64
	local_route 192.0.2.0/24 2001:db8::/64
	NS=far in_ns ip route add 192.0.2.0/24 via 10.9.0.1
	NS=far in_ns ip route add 2001:db8::/64 via fd09::1
}

# udp_sockets: how many there are in $NS.
udp_sockets() {
	in_ns ss -Huan | wc -l
}

udp_sockets_are() {
	is "$(udp_sockets)" "$1"
}

# no_udp_sockets: for wait_until: of servers that have ended nothing is left.
no_udp_sockets() {
	udp_sockets_are 0
}

# fds NAME: how many descriptors the server has.
fds() {
	find "/proc/$(pid_of "$1")/fd" -type l 2> /dev/null | wc -l
}

# resident NAME: KiB of memory that the server has, shared or not.
resident() {
	awk '/^VmRSS:/ { print $2 }' "/proc/$(pid_of "$1")/status"
}
