#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of what a spec asks for and can't have: what is said of it, that the server serves on,
# and that under strict bind(2) or listen(2) fails.

load stand

WEB4=web=tcp:0.0.0.0#7777

# --- targets ----------------------------------------------------------------------------------

@test "a target that the service's own socket serves anyway is fine, and so is one said twice" {
	stand web SKSTEER_PORTS='7,7,7777;7' "$WEB4"
	reaches 127.0.0.1#{7,7777}=web
	is "$(service '[.bindings[].ports] | join(" ")')" '7 7777'
	said web
}

@test "what another service has is refused and names it; the server serves its own port" {
	stand a SKSTEER_PORTS=7,8 a=tcp:0.0.0.0#7777
	stand b SKSTEER_PORTS=9,8 b=tcp:0.0.0.0#7778
	said b "sksteer: 0.0.0.0/0:8/tcp is steered to \"@stand-$(pid_of a)\" already"
	reaches 127.0.0.1#7-8=a 127.0.0.1#9=refused 127.0.0.1#7778=b
	is "$(status_jq '.services | length')" 1
	# The other family is another target, and so is a prefix.
	local_route 192.0.2.0/24
	stand c SKSTEER_PORTS=7,8 c=tcp:::#7779,v6only
	stand d SKSTEER_PORTS=192.0.2.0/24:7 d=tcp:0.0.0.0#7780
	reaches 127.0.0.1#7-8=a ::1#7-8=c 192.0.2.1#7=d
	said c
	said d
}

@test "a spec with an error steers nothing; the item and its place are quoted on stderr" {
	local told='sksteer: SKSTEER_PORTS: "9-3" at character 3: the range ends before it begins'
	stand web SKSTEER_PORTS=7,9-3 "$WEB4"
	said web "$told; nothing is steered"
	reaches 127.0.0.1#7=refused 127.0.0.1#7777=web
	kill_server web
	stand web SKSTEER_PORTS='7;192.0.2.1/24:53' "$WEB4"
	has "$(log_of web)" 'sksteer: SKSTEER_PORTS: "192.0.2.1/24" at character 3: '
	reaches 127.0.0.1#{7,53}=refused 127.0.0.1#7777=web
	is "$(status_jq '.services | length')" 0
}

# --- strict -----------------------------------------------------------------------------------

@test "strict: bind(2) fails with the errno, and nothing was opened" {
	stand a SKSTEER_PORTS=7 a=tcp:0.0.0.0#7777
	stand b SKSTEER_STRICT=1 SKSTEER_PORTS=7 b=tcp:0.0.0.0#7778
	said b "sksteer: 0.0.0.0/0:7/tcp is steered to \"@stand-$(pid_of a)\" already" \
		'b bind EADDRINUSE'
	not listening 7778
	reaches 127.0.0.1#7=a 127.0.0.1#7778=refused
	AS=nobody stand c SKSTEER_STRICT=1 SKSTEER_PORTS=8 c=tcp:0.0.0.0#7779 d=udp:0.0.0.0#7779
	has "$(log_of c)" 'port 8 is for root'
	says c 'c bind EACCES'
	not listening 7779
	reaches 127.0.0.1#7779/udp=d
	is "$(service '.sockets[].port')" 7777
}

@test "strict: UDP's bind(2) fails, and the socket was not bound" {
	stand a SKSTEER_PORTS=53/udp a=udp:0.0.0.0#5353
	stand b SKSTEER_STRICT=1 SKSTEER_PORTS=53/udp b=udp:0.0.0.0#5354
	says b 'b bind EADDRINUSE'
	not listening 5354 '' udp
	reaches 127.0.0.1#53/udp=a 127.0.0.1#5354/udp=refused
}

@test "strict: what becomes impossible between bind(2) and listen(2) fails there" {
	begin b SKSTEER_STRICT=1 SKSTEER_PORTS=7 b=tcp:0.0.0.0#7778,bound pause listen
	wait_until 5 says b paused
	stand a SKSTEER_PORTS=7 a=tcp:0.0.0.0#7777
	kill -USR1 "$(pid_of b)"
	wait_until 5 says b ready
	says b 'b listen EADDRINUSE'
	not listening 7778
	reaches 127.0.0.1#7=a
}

@test "a service's second family is judged as its first was" {
	local strict
	stand a SKSTEER_PORTS=any:7 a=tcp:0.0.0.0#7777
	AS=nobody begin plain plain=tcp:0.0.0.0#8000
	wait_until 5 says plain ready
	for strict in 0 1; do
		stand b SKSTEER_STRICT=$strict SKSTEER_PORTS=any:7 b=tcp:::#7779,v6only c=tcp:0.0.0.0#7779
		has "$(log_of b)" "0.0.0.0/0:7/tcp is steered to \"@stand-$(pid_of a)\" already"
		reaches ::1#7=b 127.0.0.1#7=a
		kill_server b
		AS=user2 stand b SKSTEER_STRICT=$strict SKSTEER_PORTS=8000 b=tcp:::#7779,v6only \
			c=tcp:0.0.0.0#7779
		has "$(log_of b)" 'port 8000 is held by a socket of user 65534'
		reaches ::1#8000=b 127.0.0.1#8000=plain
		kill_server b
	done
}

@test "strict: a socket that was asked for and never came leaves nothing behind" {
	plain other other=tcp:::#7778,v6only
	stand low SKSTEER_PORTS='7777=any:9' low=tcp:::#7777
	stand a SKSTEER_STRICT=1 SKSTEER_PORTS='7778=[::1]:9' a=tcp:0.0.0.0#7778 b=tcp:::#7778,v6only
	says a 'b bind EADDRINUSE'
	# Any change makes the whole table anew.
	stand more SKSTEER_PORTS=11 more=tcp:0.0.0.0#7779
	reaches ::1#9=low 127.0.0.1#9=low 127.0.0.1#11=more
}

@test "not strict: the same refusal is said once" {
	AS=nobody stand web SKSTEER_PORTS=7 a=tcp:0.0.0.0#7777 b=tcp:::#7777,v6only
	is "$(grep -c 'sksteer: .*port 7 is for root' "$SKS_DIR/web.log")" 1
	is "$(wc -l < "$SKS_DIR/web.log")" 2
	reaches 127.0.0.1#7777=a ::1#7777=b
}

# receives [VARIABLE=VALUE]...: what a listening socket says that is asked for data at once.
receives() {
	in_ns env "$@" python3 -c '
import errno, socket
listener = socket.create_server(("127.0.0.1", 7777))
listener.setblocking(False)
try:
	listener.recv(1)
except OSError as e:
	print(errno.errorcode[e.errno])'
}

@test "recv(2) of a steered listener waits for data, as a connection does" {
	is "$(receives)" ENOTCONN
	is "$(receives LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" SKSTEER_PORTS=77)" EAGAIN
}
