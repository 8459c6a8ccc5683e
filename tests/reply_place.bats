#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of how many reply sockets there may be, whom they are in the way of, and their end.
# bats file_tags=sanitize

load replies

# --- quota -------------------------------------------------------------------------------------------

@test "reply: they count as the registered sockets of the user do; root's are not counted" {
	local i
	printf '%s\n' '[user nobody]' 'max-sockets = 3' > "$SKS_DIR/policy.conf"
	start_helper --policy "$SKS_DIR/policy.conf"
	AS=nobody replier dns
	does dns 'open s udp 0.0.0.0 5353'
	tells dns 'register s 5300,5301,5302/udp' steered
	tells dns 'ask a s 127.0.0.1 5300' steered
	tells dns 'ask b s 127.0.0.1 5301' steered
	tells dns 'ask c s 127.0.0.1 5302' "EDQUOT more than 3 sockets for user 65534 ($SKS_DIR/policy.conf:2)"
	# Not for what is connected later on, and not to another user.
	tells dns 'ask p s 127.0.0.1 5302 peer=127.0.0.1#4000' steered
	does dns 'close a'
	tells dns 'ask c s 127.0.0.1 5302' steered
	does dns 'connect c 127.0.0.1 4000'
	tells dns 'ask a s 127.0.0.1 5300' "EDQUOT more than 3 sockets for user 65534 ($SKS_DIR/policy.conf:2)"
	replier root
	does root 'open s udp 0.0.0.0 5454'
	tells root 'register s 54/udp' steered
	for i in 1 2 3 4; do
		tells root "ask r$i s 127.0.0.1 54" steered
	done
}

@test "reply: they are counted at their service's ports, and only among so many sockets" {
	local i
	start_helper
	AS=nobody replier dns
	does dns 'open s udp 0.0.0.0 5353' 'open t udp 0.0.0.0 5454'
	tells dns 'register s 5300/udp one' steered
	tells dns 'register t 5400,5401/udp two' steered
	for i in 1 2 3; do
		AS=nobody replier "crowd$i"
		does "crowd$i" "crowd 127.$i.0.0 6667 5401"
	done
	tells dns 'ask r t 127.0.0.1 5400' 'EDQUOT 127.0.0.1:5400/udp: more than 20000 UDP sockets are there to be counted'
	tells dns 'ask r s 127.0.0.1 5300' steered
	# Not for what is connected, which does not count.
	tells dns 'ask q t 127.0.0.1 5400 peer=127.0.0.1#4000' steered
}

# --- who else may have the port ------------------------------------------------------------------------

@test "reply: others bind the port at other addresses, and steer it there" {
	resolver '192.0.2.7:2053/udp'
	tells dns 'ask r s 192.0.2.7 2053' steered
	AS=nobody plain other 127.0.0.1#2053/udp
	gets_udp 127.0.0.1 2053 other
	in_ns ip address add 192.0.2.8/32 dev lo
	AS=user2 serve third '192.0.2.8:2053/udp' 0.0.0.0#6000/udp
	silent third
}

@test "reply: '*' yields, says so, and keeps the port while its own reply socket is there" {
	resolver '*/udp'
	tells dns 'ask r s 127.0.0.1 2053' yields
	tells dns 'ask t s 127.0.0.1 53' yields
	holds 1 gets_udp 127.0.0.1 2053 s
	is "$(service '.bindings[0].left_out // [] | length' "$(label_of dns)")" 0
	does dns 'close r'
	AS=nobody plain other 127.0.0.1#2053/udp
	wait_until 2 gets_udp 127.0.0.1 2053 other
	tells dns 'ask r s 127.0.0.1 2053' "EACCES 127.0.0.1:2053/udp is not steered to $(label_of dns)"
	gets_udp 127.0.0.1 53 s
}

@test "reply: it yields where another user may have the wildcard address: root's, of a prefix" {
	AS=nobody plain other 0.0.0.0#2053/udp
	resolver '127.0.0.2:2053/udp'
	tells dns 'ask r s 127.0.0.2 2053' yields
	AS=nobody replier own
	does own 'open s udp 0.0.0.0 6000'
	tells own 'register s 127.0.0.3:2077/udp' steered
	tells own 'ask r s 127.0.0.3 2077' steered
	# As it starts again.
	kill_server other
	does dns 'close r'
	AS=nobody plain again 0.0.0.0#2053/udp
	gets_udp 127.0.0.1 2053 again
}

@test "reply: a port named alone beside '*' is kept, a wide range yields" {
	resolver '53,2000-4000/udp'
	tells dns 'ask r s 127.0.0.1 53' steered
	tells dns 'ask q s 127.0.0.1 2053' yields
}

@test "reply: another user's one, or what looks like one, is in the way as any socket" {
	local held='2053/udp: port 2053 is held by a socket of user'
	resolver '*/udp'
	tells dns 'ask r s 127.0.0.1 2053' yields
	AS=nobody replier other
	AS=user2 replier third
	does other 'open o udp 0.0.0.0 6000'
	tells other 'register o 127.0.0.1:2053/udp' "EADDRINUSE 127.0.0.1:$held 0 on 127.0.0.1"
	does dns 'close r'
	tells other 'register o 127.0.0.1:2053/udp' steered
	does third 'quiet t 127.0.0.1 2054' 'marks t'
	does other 'open p udp 0.0.0.0 6001'
	tells other 'register p 127.0.0.1:2054/udp two' "EADDRINUSE 127.0.0.1:${held//2053/2054} 65533 on 127.0.0.1"
	replier root
	does root 'open s udp 0.0.0.0 6002'
	tells root 'register s 127.0.0.1:2054/udp' steered
}

# --- the end -------------------------------------------------------------------------------------------

@test "reply: unbind aborts what was bound there, and no other" {
	resolver '53,77/udp' 0.0.0.0 dns
	tells dns 'ask r s 127.0.0.1 53' steered
	tells dns 'ask q s 127.0.0.1 77' steered
	tells dns 'ask v s 127.0.0.1 53 6' steered
	ctl bind dns 99/udp
	tells dns 'ask x s 127.0.0.1 99' steered
	ctl unbind dns 53/udp
	aborted dns r
	tells dns 'error q' none
	does dns 'send q 127.0.0.1 4000 x'
	ctl unbind dns 99/udp
	aborted dns x
	# Of two at one place the kernel finds one, until that is closed.
	tells dns 'error v' none
	does dns 'close r'
	ctl bind dns 53/udp
	ctl unbind dns 53/udp
	aborted dns v
}

@test "reply: unregister, unload, and the end of the service" {
	resolver 53/udp 0.0.0.0 dns
	tells dns 'ask r s 127.0.0.1 53' steered
	ctl unregister dns
	aborted dns r
	does dns 'open t udp 0.0.0.0 5454'
	tells dns 'register t 54/udp' steered
	tells dns 'ask q t 127.0.0.1 54' steered
	does dns 'close t'
	wait_until 2 aborted dns q
	does dns 'open u udp 0.0.0.0 5555'
	tells dns 'register u 55/udp' steered
	tells dns 'ask w u 127.0.0.1 55' steered
	tells dns 'ask k u 127.0.0.1 55 peer=127.0.0.1#4000' steered
	does dns 'connect k 127.0.0.1 4000'
	ctl unload
	aborted dns w
	tells dns 'error k' none
	does dns 'send k 127.0.0.1 4000 x'
}

@test "reply: a user's, also in another network namespace than the helper's" {
	add_ns other
	start_helper
	NS=other AS=nobody replier dns
	does dns 'open s udp 0.0.0.0 5353'
	tells dns 'register s 2053,2077/udp' steered
	tells dns 'ask r s 127.0.0.1 2053' steered
	does dns 'close s'
	wait_until 2 aborted dns r
}

@test "reply: one of root's that is nobody's by now" {
	resolver 53/udp 0.0.0.0 dns
	does dns drop
	tells dns 'ask r s 127.0.0.1 53' steered
	ctl unregister dns
	aborted dns r
}

@test "reply: what a user has shut for reading itself is not aborted" {
	resolver '53,77/udp' 0.0.0.0 dns
	replier other
	does other 'quiet a 127.0.0.1 2053' 'shut a' 'quiet b 127.0.0.2 2053' 'free b' 'shut b'
	ctl bind dns any:2053/udp
	ctl unbind dns any:2053/udp
	tells other 'error a' none
	tells other 'error b' none
}
