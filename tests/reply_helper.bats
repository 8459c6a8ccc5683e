#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of the helper's side of reply sockets: who gets one, where, and what it is good for.
# The servers (reply.py) speak to the helper themselves.
# bats file_tags=sanitize

load replies

# --- what it is --------------------------------------------------------------------------------------

@test "reply: a socket is bound where a datagram was sent to, and the answer leaves from there" {
	resolver
	replier client
	does client 'quiet c 127.0.0.1 4000'
	tells dns 'ask r s 127.0.0.1 53' steered
	tells dns 'name r' '127.0.0.1#53'
	does dns 'send r 127.0.0.1 4000 answer'
	tells client 'hear c 1' answer@127.0.0.1#53
	tells dns 'ask q s 127.0.0.1 77' steered
	is "$(bound 127.0.0.1 53) $(bound 127.0.0.1 77)" '1 1'
	# The server's own is asked as before.
	gets_udp 127.0.0.1 53 s
	gets_udp 127.0.0.1 77 s
	gets_udp 127.0.0.1 5353 s
}

@test "reply: IPv6, a link-local address with its interface, and IPv4 by an IPv6 socket" {
	resolver '53/udp' ::
	in_ns ip address add 2001:db8::1/128 dev lo nodad
	add_ns client
	veth main fe80::77/64 client fe80::78/64
	tells dns 'ask a s ::1 53' steered
	tells dns 'name a' '::1#53'
	tells dns 'ask b s 2001:db8::1 53' steered
	tells dns "ask c s fe80::77 53 scope=$(in_ns ip -j link show to-client | jq '.[].ifindex')" steered
	tells dns 'name c' "fe80::77%to-client#53"
	tells dns 'ask d s 127.0.0.1 53 6' steered
	tells dns 'name d' '::ffff:127.0.0.1#53'
	tells dns 'ask e s 127.0.0.1 53' steered
	tells dns 'name e' '127.0.0.1#53'
}

@test "reply: an address that is nobody's yet, of a prefix; and one that is only routed here" {
	resolver '192.0.2.0/24:53/udp'
	tells dns 'ask r s 192.0.2.7 53' steered
	in_ns ip route add local 192.0.2.0/24 dev lo
	replier client
	does client 'quiet c 127.0.0.1 4000'
	does dns 'send r 127.0.0.1 4000 answer'
	tells client 'hear c 1' answer@192.0.2.7#53
	is "$(bound 192.0.2.7 53)" 1
}

@test "reply: it receives nothing, not after the service is gone either, and keeps its filter" {
	resolver '127.0.0.1:53/udp'
	replier client
	tells dns 'ask r s 127.0.0.1 53' steered
	tells dns 'detach r' EPERM
	tells dns 'attach r' EPERM
	steers_no_more
	does client 'quiet c 127.0.0.1 4000' 'send c 127.0.0.1 53 stray'
	tells dns 'hear r' nothing
	is "$(in_ns ss -Huanm 'sport = :53' | grep -o 'd[0-9]*)')" 'd1)'
}

@test "reply: two at one place, and one's own other server beside them" {
	resolver
	tells dns 'ask r s 127.0.0.1 53' steered
	tells dns 'ask q s 127.0.0.1 53' steered
	is "$(bound 127.0.0.1 53)" 2
	does dns 'send r 127.0.0.1 4000 x' 'send q 127.0.0.1 4000 x'
}

@test "reply: for one peer, it receives from there alone, and what the server moves over" {
	resolver '192.0.2.0/24:53/udp'
	in_ns ip route add local 192.0.2.0/24 dev lo
	in_ns ip route add local 198.51.100.0/24 dev lo
	replier client
	tells dns 'ask r s 192.0.2.7 53 peer=198.51.100.9#4000' steered
	tells dns 'peer r' '198.51.100.9#4000'
	does dns 'disconnect r'
	does client 'quiet c 198.51.100.9 4000' 'quiet d 198.51.100.9 4001' \
		'quiet e 198.51.100.8 4000'
	# As the program would steer them to the server.
	steers_no_more
	does client 'send d 192.0.2.7 53 port' 'send e 192.0.2.7 53 address' 'send c 192.0.2.7 53 peer'
	does dns 'from s 192.0.2.7 192.0.2.7 53 moved' 'from s 192.0.2.8 192.0.2.7 53 strange'
	tells dns 'hear r 2' 'peer@198.51.100.9#4000 moved@192.0.2.7#5353'
	tells dns 'detach r' EPERM
}

@test "reply: for one peer by IPv6, and by IPv4 in it" {
	resolver '53/udp' ::
	in_ns ip address add 2001:db8::1/128 dev lo nodad
	replier client
	tells dns 'ask r s ::1 53 peer=2001:db8::1#4000' steered
	tells dns 'ask q s 127.0.0.1 53 6 peer=127.0.0.2#4000' steered
	tells dns 'peer r' '2001:db8::1#4000'
	tells dns 'peer q' '::ffff:127.0.0.2#4000'
	does dns 'disconnect r' 'disconnect q'
	does client 'quiet c 2001:db8::1 4000' 'quiet d ::1 4000' 'quiet e 127.0.0.2 4000' \
		'quiet f 127.0.0.3 4000'
	steers_no_more
	does client 'send d ::1 53 address' 'send c ::1 53 peer' 'send f 127.0.0.1 53 address' \
		'send e 127.0.0.1 53 peer'
	tells dns 'hear r 1' peer@2001:db8::1#4000
	tells dns 'hear q 1' peer@::ffff:127.0.0.2#4000
}

# --- who gets one, and where -------------------------------------------------------------------------

NOT_ITS="EPERM 127.0.0.1:53/udp: the registered socket is user 0's, and the token is not its"

@test "reply: nobody else's, not without the registered socket, not where nothing is steered" {
	resolver '127.0.0.1:53/udp'
	AS=nobody replier other
	does other 'open s udp 127.0.0.1 5354' 'open t tcp 127.0.0.1 5355'
	local cookie
	cookie=$(tell dns 'cookie s')
	tells other "ask r s 127.0.0.1 53 cookie=$cookie" "$NOT_ITS"
	tells other 'ask r s 127.0.0.1 53' 'ENOENT 127.0.0.1:53/udp: no UDP socket with that cookie is registered here'
	tells dns 'ask r s 127.0.0.1 53 cookie=1' 'ENOENT 127.0.0.1:53/udp: no UDP socket with that cookie is registered here'
	tells dns 'ask r s 127.0.0.2 53' "EACCES 127.0.0.2:53/udp is not steered to $(label_of dns)"
	tells dns 'ask r s 127.0.0.1 54' "EACCES 127.0.0.1:54/udp is not steered to $(label_of dns)"
	tells dns 'ask r s ::1 53' "EACCES [::1]:53/udp is not steered to $(label_of dns)"
	tells dns 'ask r s 127.0.0.1 5353' "EACCES 127.0.0.1:5353/udp is not steered to $(label_of dns)"
	tells dns 'ask r s 0.0.0.0 53' 'EINVAL 0.0.0.0/0:53/udp is no address that a datagram is steered by'
	tells dns 'ask r s 224.0.0.251 53' 'EINVAL 224.0.0.251:53/udp is no address that a datagram is steered by'
	tells dns 'ask r s ff02::1 53' 'EINVAL [ff02::1]:53/udp is no address that a datagram is steered by'
	local address
	for address in 0.0.0.1 0.255.255.255 240.0.0.1 255.255.255.255; do
		tells dns "ask r s $address 53" "EINVAL $address:53/udp is no address that a datagram is steered by"
		tells dns "ask r s $address 53 6" "EINVAL $address:53/udp is no address that a datagram is steered by"
	done
	is "$(in_ns ss -Huan 'sport = :53')" ''
	has "$(log_of helper)" "gets no reply socket in net-$(ns_ino): 127.0.0.2:53/udp is not steered"
}

@test "reply: another service's address is not one's own, not within a shorter prefix of one's own" {
	resolver '192.0.2.0/24:53/udp'
	replier two
	does two 'open s udp 0.0.0.0 5355'
	tells two 'register s 192.0.2.7:53/udp' steered
	tells dns 'ask r s 192.0.2.7 53' "EACCES 192.0.2.7:53/udp is not steered to $(label_of dns)"
	tells dns 'ask r s 192.0.2.8 53' steered
	tells two 'ask r s 192.0.2.7 53' steered
	tells two 'ask q s 192.0.2.8 53' "EACCES 192.0.2.8:53/udp is not steered to $(label_of two)"
}

@test "reply: only a socket that is fresh, of UDP, of this namespace, without a filter that is locked" {
	resolver
	tells dns 'ask r s 127.0.0.1 53 bound' 'EINVAL the socket is bound already'
	tells dns 'ask r s 127.0.0.1 53 connected' 'EISCONN the socket is connected'
	tells dns 'ask r s 127.0.0.1 53 tcp' 'EPROTONOSUPPORT the socket is not UDP'
	tells dns 'ask r s 127.0.0.1 53 unix' 'EAFNOSUPPORT the socket is neither IPv4 nor IPv6 (address family 1)'
	tells dns 'ask r s 127.0.0.1 53 elsewhere' 'EXDEV the socket is of another network namespace than its sender'
	tells dns 'ask r s 127.0.0.1 53 locked' 'EPERM 127.0.0.1:53/udp: Operation not permitted'
	tells dns 'ask r s ::1 53 dev=lo scope=7' 'EINVAL [::1]:53/udp is of interface 7, and the socket is bound to 1'
	tells dns 'ask r s 127.0.0.1 53 6 4' 'EAFNOSUPPORT 127.0.0.1:53/udp is of another family than the socket'
}

@test "reply: a port that somebody holds by a socket of his own" {
	resolver '192.0.2.0/24:53/udp'
	in_ns ip address add 192.0.2.9/32 dev lo
	replier other
	does other 'quiet o 192.0.2.9 53'
	tells dns 'ask r s 192.0.2.9 53' 'EADDRINUSE 192.0.2.9:53/udp: Address already in use'
}

@test "reply: the child of a server, that has given up root since" {
	local cookie
	resolver '127.0.0.1:53/udp'
	cookie=$(tell dns 'cookie s')
	does dns drop
	tells dns 'ask r s 127.0.0.1 53' steered
	does dns 'send r 127.0.0.1 4000 answer'
	# Without the token it is anybody, with the registered socket, too.
	tells dns 'ask q s 127.0.0.1 53 token=0' "$NOT_ITS"
	tells dns 'ask q s 127.0.0.1 53 token=1' "$NOT_ITS"
	does dns 'close s'
	tells dns "ask q r 127.0.0.1 53 cookie=$cookie" "$NOT_ITS"
}

@test "reply: the token is told to whoever brings the very socket, anew by a helper that starts" {
	resolver '127.0.0.1:53/udp'
	does dns drop 'open t udp 127.0.0.1 5354'
	tells dns 'shared t' yields
	tells dns 'token t' none
	stop_helper
	start_helper
	tells dns 'ask r s 127.0.0.1 53' "$NOT_ITS"
	tells dns 'shared s' yields
	tells dns 'ask r s 127.0.0.1 53' steered
	stop_helper
	start_helper
	tells dns 'register s 2099/udp' "yields this socket is registered already: as another user's, and this spec does not apply"
	tells dns 'ask q s 127.0.0.1 53' steered
	does dns 'close q'
	stop_helper
	start_helper
	has "$(tell dns 'register s nonsense')" EINVAL
	tells dns 'ask q s 127.0.0.1 53' steered
}

@test "reply: no thread gets a filter of its own in between" {
	resolver
	is "$(tell dns 'race r s 127.0.0.1 53 300')" '0 of some'
}

@test "reply: a port that the policy grants to an ordinary user, in any namespace" {
	add_ns other
	printf '%s\n' '[user nobody]' 'ports = 53/udp' > "$SKS_DIR/policy.conf"
	start_helper --policy "$SKS_DIR/policy.conf"
	NS=other AS=nobody replier dns
	does dns 'open s udp 127.0.0.1 5353'
	tells dns 'register s 2053/udp dns' steered
	NS=other as_user env SKSTEER_SOCKET="$SOCKET" "$CTL" bind dns 53/udp
	tells dns 'ask r s 127.0.0.1 53' steered
	tells dns 'name r' '127.0.0.1#53'
	NS=other as_user env SKSTEER_SOCKET="$SOCKET" "$CTL" unbind dns 53/udp
	aborted dns r
}

@test "reply: a server of one interface gets them for that interface alone" {
	start_helper
	replier dns
	does dns 'open s udp 0.0.0.0 5353 dev=lo'
	tells dns 'register s 53/udp' steered
	tells dns 'ask r s 127.0.0.1 53' "EACCES 127.0.0.1:53/udp is not steered to $(label_of dns)"
	tells dns 'ask r s 127.0.0.1 53 dev=lo' steered
}
