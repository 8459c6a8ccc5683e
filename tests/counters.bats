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

# part PROTOCOL FAMILY: what label "mix" has counted of them.
part() {
	service ".counters.parts[] | select(.protocol == \"$1\" and .family == \"$2\") |
		[.steered, .refused, .reasons.not_receiving, .reasons.another_program, .reasons.other] | @csv" mix
}

@test "each protocol and family by itself, with the reason of what failed, and none is lost when a socket goes" {
	start_helper
	act mix SKSTEER_LABEL=mix SKSTEER_PORTS='any:53/udp;any:53'
	does mix 'open u4 udp 0.0.0.0 5353' 'open u6 udp :: 5353 v6only' 'open t4 tcp 0.0.0.0 5353'
	times 3 gets_udp 127.0.0.1 53 u4
	times 2 gets_udp ::1 53 u6
	times 4 gets 127.0.0.1 53 t4
	does mix 'connect u4 127.0.0.1 9'
	refused_udp 127.0.0.1 53
	is "$(part udp ipv4)" 3,0,1,0,0
	is "$(part udp ipv6)" 2,0,0,0,0
	is "$(part tcp ipv4)" 4,0,0,0,0
	is "$(part tcp ipv6)" ''
	kill_server mix
	# Another port, so another destination; the earlier one goes.
	act later SKSTEER_LABEL=mix SKSTEER_PORTS='any:53/udp;any:53'
	does later 'open u4 udp 0.0.0.0 5454' 'open t4 tcp 0.0.0.0 5454'
	gets_udp 127.0.0.1 53 u4
	gets 127.0.0.1 53 t4
	is "$(part udp ipv4)" 4,0,1,0,0
	is "$(part udp ipv6)" 2,0,0,0,0
	is "$(part tcp ipv4)" 5,0,0,0,0
	kill_helper
	start_helper
	is "$(part udp ipv4)" 4,0,1,0,0
	is "$(part tcp ipv4)" 5,0,0,0,0
}

# offload INTERFACE COMMAND VALUE: as ethtool(8), by numbers of <linux/ethtool.h>.
offload() {
	in_ns /usr/bin/python3 -c '
import array, fcntl, socket, struct, sys
value = array.array("I", [int(word, 0) for word in sys.argv[2:]])
request = struct.pack("16sP16x", sys.argv[1].encode(), value.buffer_info()[0])
fcntl.ioctl(socket.socket(), 0x8946, request)' "$@" # SIOCETHTOOL
}

# Nothing tells the program these from a datagram.
@test "what the kernel asks the program besides: for an ICMP error, and where UDP_GRO is on" {
	start_helper
	add_ns far
	veth main 10.9.0.1/24 far 10.9.0.2/24
	act dns SKSTEER_LABEL=dns SKSTEER_PORTS=any:53/udp
	does dns 'open v4 udp 0.0.0.0 5353'
	# The client is gone when the answer comes.
	kill -STOP "$(pid_of dns)"
	echo | NS=far in_ns socat -u - UDP:10.9.0.1:53
	kill -CONT "$(pid_of dns)"
	wait_until 5 counted dns ipv4 2,0,0,0
	offload to-far 0x2c 1 # ETHTOOL_SGRO
	NS=far offload to-main 0x1f 0 # ETHTOOL_STSO: else veth passes GRO by
	# Whoever it is, in whatever namespace.
	NS=far start_server quic /usr/bin/python3 -c '
import signal, socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_UDP, 104, 1)  # UDP_GRO
print("ready", flush=True)
signal.pause()'
	wait_until 5 says_ready quic
	NS=far gets_udp 10.9.0.1 53 v4
	counted dns ipv4 4,0,0,0
}
