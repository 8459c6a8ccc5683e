#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of the helper's side of reply sockets: who gets one, where, and what it is good for.
# The servers (reply.py) speak to the helper themselves.
# bats file_tags=sanitize

load acts

setup() {
	sks_setup
	need jq /usr/bin/python3
	cp "$BATS_TEST_DIRNAME"/{acts,reply}.py "$PROGS"
	export PYTHONDONTWRITEBYTECODE=1
}

# replier NAME: reply.py as user $AS in $NS.
replier() {
	local name=$1 AS_WHO
	as_who
	: > "$SKS_DIR/$name.log"
	mkfifo -m 666 "$SKS_DIR/$name.fifo"
	start_server "$name" "${AS_WHO[@]}" /usr/bin/python3 "$PROGS/reply.py" "$SKS_DIR/$name.fifo" \
		"$SOCKET"
	wait_until 10 says_ready "$name"
}

# tells NAME ACT EXPECTED
tells() {
	is "$2: $(tell "$1" "$2")" "$2: $3"
}

# resolver [SPEC] [ADDRESS] [LABEL]: of user $AS, with a socket on port 5353.
resolver() {
	start_helper
	replier dns
	does dns "open s udp ${2:-0.0.0.0} 5353"
	tells dns "register s ${1:-53,77/udp} ${3:-}" steered
}

# bound ADDRESS PORT: how many UDP sockets are, precisely there.
bound() {
	in_ns ss -Huan "sport = :$2" | awk '{ print $4 }' | grep -cxF "$1:$2" || :
}

# --- what it is --------------------------------------------------------------------------------------

@test "reply: a socket is bound where a datagram was sent to, and the answer leaves from there" {
	resolver
	replier client
	does client 'open c udp 127.0.0.1 4000'
	tells dns 'ask r s 127.0.0.1 53' steered
	tells dns 'name r' '127.0.0.1#53'
	does dns 'send r 127.0.0.1 4000 answer'
	tells dns 'ask q s 127.0.0.1 77' steered
	is "$(bound 127.0.0.1 53) $(bound 127.0.0.1 77)" '1 1'
	# The server's own is asked as before.
	gets_udp 127.0.0.1 53 s
	gets_udp 127.0.0.1 77 s
	gets_udp 127.0.0.1 5353 s
}
