#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of where UDP answers come from: which addresses and ports, for which clients.

load udp

# --- addresses ----------------------------------------------------------------------------------

@test "IPv4: bound to every address, asked at several, from several" {
	local_route 192.0.2.0/24
	echoes echo SKSTEER_PORTS='53,77/udp' "$OWN"
	right -n 60 "${ALL[@]}"
	right -n 60 -w 6 "${ALL[@]}" 127.0.0.9#{53,77,5353} 192.0.2.{1,77}#{53,77,5353}
	right -n 60 -s 192.0.2.7 127.0.0.1#53 192.0.2.7#53 192.0.2.9#{77,5353}
	right -n 60 -s 127.9.9.9 "${ALL[@]}" 192.0.2.200#{53,77,5353}
}

@test "IPv6: bound to every address, with and without v6only" {
	local place
	local_route 2001:db8::/64
	sks_address main 2001:db8::7/128 lo
	for place in ::#5353 ::#5353,v6only; do
		echoes echo SKSTEER_PORTS='53,77/udp' "$place"
		right -n 60 -w 6 ::1#{53,77,5353}
		right -n 60 -w 6 2001:db8::{1,ffff}#{53,77,5353} ::1#53
		right -n 60 -s 2001:db8::7 ::1#53 2001:db8::9#77 2001:db8::a#5353
	done
}

@test "dual-stack: what came by IPv4 is answered by IPv4, beside IPv6" {
	local_route 192.0.2.0/24
	echoes echo SKSTEER_PORTS='53,77/udp' ::#5353
	right -n 60 -w 6 "${ALL[@]}" 192.0.2.7#{53,77,5353}
	right -n 60 -w 6 ::1#{53,77,5353}
	# The client's own socket has mapped addresses, too.
	right -n 60 -w 6 ::ffff:127.0.0.1#{53,77,5353} ::1#53
	echoes echo SKSTEER_PORTS='53,77/udp' ::ffff:127.0.0.1#5353
	right -n 60 -w 6 "${ALL[@]}"
}

@test "bound to the loopback, and asked everywhere by any: and prefixes" {
	local_route 192.0.2.0/24 2001:db8::/64
	echoes v4 SKSTEER_PORTS='any:53/udp;192.0.2.0/24:77,5353/udp' 127.0.0.1#5353
	right -n 60 -w 6 127.0.0.{1,2}#53 192.0.2.{1,2}#{53,77,5353} 127.0.0.1#5353
	right -n 60 -w 6 -s 127.0.0.1 192.0.2.{1,2}#{53,77,5353}
	verdict '0 right, 2 refused' 127.0.0.2#77 127.0.0.2#5353
	echoes v6 SKSTEER_PORTS='any:53/udp;[2001:db8::/64]:77,5353/udp' ::1#5353
	right -n 60 -w 6 ::1#{53,5353} 2001:db8::{1,2}#{53,77,5353}
	right -n 60 -w 6 -s ::1 2001:db8::{1,2}#{53,77,5353}
}

@test "200 addresses and 40 ports of a prefix, with few sockets" {
	local i places=() before
	local_route 192.0.2.0/24 2001:db8::/64
	echoes echo SKSTEER_PORTS='192.0.2.0/24:1000-1039/udp;[2001:db8::/64]:1000-1039/udp' ::#5353
	before=$(fds echo)
	for ((i = 0; i < 200; i++)); do
		places+=("192.0.2.$i#$((1000 + i % 40))")
	done
	right -n 2000 -w 40 "${places[@]}"
	right -n 2000 -w 40 -s 127.0.0.1 "${places[@]}"
	right -n 2000 -w 40 "${places[@]/192.0.2./2001:db8::}"
	(($(fds echo) - before <= 128)) || fail "$(fds echo) descriptors, and $before before"
}

@test "the same port at another address is no other port" {
	local_route 192.0.2.0/24
	echoes echo SKSTEER_PORTS='53/udp;any:5353/udp' 127.0.0.1#5353
	right -n 60 -w 6 127.0.0.1#{53,5353} 127.0.0.2#5353 192.0.2.7#5353
	udp_sockets_are 2
}

# --- interfaces -----------------------------------------------------------------------------------

@test "from another namespace, over veth: addresses, AnyIP, IPv6" {
	far_away
	echoes echo SKSTEER_PORTS='53,77/udp' ::#5353
	NS=far right -n 90 -w 9 10.9.0.1#{53,77,5353} 192.0.2.{1,99}#{53,77,5353}
	NS=far right -n 90 -w 9 fd09::1#{53,77,5353} 2001:db8::{1,99}#{53,77,5353}
	right -n 60 -w 6 10.9.0.1#{53,77,5353} "${ALL[@]}"
	echoes echo SKSTEER_PORTS='any:53,77,5353/udp' 127.0.0.1#5353
	NS=far right -n 90 -w 9 10.9.0.1#{53,77,5353} 192.0.2.{1,99}#{53,77,5353}
	echoes echo SKSTEER_PORTS='any:53,77,5353/udp' ::1#5353
	NS=far right -n 90 -w 9 fd09::1#{53,77,5353} 2001:db8::{1,99}#{53,77,5353}
}

# ask_link_local: from far and by the loopback, in each family of sockets.
ask_link_local() {
	NS=far right -n 60 -w 6 fe80::1%to-main#{53,77,5353}
	NS=far right -n 60 -w 6 -s fe80::2%to-main fe80::1%to-main#{53,77,5353}
	right -n 60 -w 6 fe80::1%to-far#{53,77,5353}
}

@test "link-local IPv6, with its scope: over veth and over the loopback" {
	add_ns far
	veth main fe80::1/64 far fe80::2/64
	start_echo plain ::#5353
	right -n 10 fe80::1%to-far#5353
	NS=far right -n 10 fe80::1%to-main#5353
	stop_echo plain
	echoes echo SKSTEER_PORTS='53,77/udp' ::#5353
	ask_link_local
	echoes echo SKSTEER_PORTS='53,77/udp' ::#5353 recv=recvmsg send=sendmsg ask=pktinfo from
	ask_link_local
	echoes echo SKSTEER_PORTS='53,77/udp' fe80::1%to-far#5353
	ask_link_local
}

@test "two links that have the same link-local address" {
	add_ns far
	add_ns away
	veth main fe80::1/64 far fe80::2/64
	veth main fe80::1/64 away fe80::2/64
	echoes echo SKSTEER_PORTS='53,77/udp' ::#5353
	NS=far right -n 30 -w 6 fe80::1%to-main#{53,77,5353}
	NS=away right -n 30 -w 6 fe80::1%to-main#{53,77,5353}
	# The same address and port as their clients have, and asked in turn.
	NS=far right -s fe80::2%to-main#4000 fe80::1%to-main#53
	NS=away right -s fe80::2%to-main#4000 fe80::1%to-main#77
	NS=far right -s fe80::2%to-main#4000 fe80::1%to-main#53
}

@test "a server that is bound to an interface" {
	add_ns far
	veth main 10.9.0.1/24 far 10.9.0.2/24
	echoes echo SKSTEER_PORTS='any:53,77/udp' 0.0.0.0#5353,dev=to-far
	NS=far right -n 60 -w 6 10.9.0.1#{53,77,5353}
}

# --- how many -------------------------------------------------------------------------------------

@test "100 000 numbered datagrams: none is answered from a wrong port" {
	echoes echo SKSTEER_PORTS='53,77,1000-1099/udp' ::#5353 threads=2
	right -n 40000 -w 32 "${ALL[@]}"
	right -n 30000 -w 32 -k 16 "${ALL[@]}" 127.0.0.1#{1000..1099}
	right -n 30000 -w 32 -k 5 ::1#{53,77,5353}
}

@test "several clients at once, each asks all ports" {
	local i
	echoes echo SKSTEER_PORTS='53,77/udp' "$OWN" threads=2 recv=recvmmsg send=sendmmsg batch=16
	for i in 1 2 3 4; do
		start_server "client$i" "$PROGS/udpask" -n 5000 -w 16 -k 4 "${ALL[@]}"
	done
	for i in 1 2 3 4; do
		wait_server "client$i" 30 || fail "$(log_of "client$i")"
		is "$(log_of "client$i")" '5000 right'
	done
}

# bounded KIB: the server's memory has not grown by more since $RESIDENT.
bounded() {
	local now
	now=$(resident echo)
	((now - RESIDENT <= $1)) || fail "$RESIDENT KiB before, $now KiB now"
	RESIDENT=$now
}

# COUNT peers are distinct ones. That of "forgotten" waits for its answer all the while: meanwhile it may be
# forgotten, and is answered from the server's own port then, but from no other.
# bats test_tags=soak
@test "150 000 distinct peers, twice: none is answered from a wrong port, and memory is bounded" {
	local COUNT RESIDENT said
	COUNT=$(soaks 150000 1000000)
	echoes echo SKSTEER_PORTS='53,77/udp' "$OWN"
	right -n 100 "${ALL[@]}"
	start_server forgotten "$PROGS/udpask" -t 300000 -T 300 -s 127.0.0.5#4000 -W LATE -o 5353 \
		127.0.0.1#53
	RESIDENT=$(resident echo)
	right -T 120 -n "$COUNT" -w 32 -s 127.1.0.0 -p "$COUNT" "${ALL[@]}"
	bounded 16384
	right -T 120 -n "$COUNT" -w 32 -s 127.33.0.0#4001 -p "$COUNT" "${ALL[@]}"
	bounded 2048
	right -W GO 127.0.0.1#77
	wait_server forgotten || :
	said=$(log_of forgotten)
	[[ $said == '1 right' || $said == '0 right, 1 own' ]] || fail "forgotten: $said"
	right -n 3000 -w 32 -k 8 "${ALL[@]}"
}
