#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of servers whose ways are hard on a socket that was moved to another port: that pause
# it, open it in many threads at once, or have sandboxed children. The helper is peer.py.

load preload

REPLACE=(SKSTEER_LABEL=web SKSTEER_MODE=replace)

@test "who pauses its listener and listens again keeps the port that it knows" {
	peer elsewhere:0
	server "$SPEC" "${REPLACE[@]}" "${TCP[@]}" disconnect name listen name listen name fds
	returned "bind ok" "listen ok" "name 0.0.0.0#7777" "listen ok" "name 0.0.0.0#7777" \
		"listen ok" "name 0.0.0.0#7777" "4 fds"
	count_is 3 '^register .* wanted=7777 '
}

@test "sockets with the same port go together, whose threads bind them at once" {
	peer elsewhere:0
	run in_ns env LD_PRELOAD="$LIB:$PROGS/slow_bind.so" SKSTEER_SOCKET="$SOCKET" "$SPEC" \
		"${REPLACE[@]}" "$PROGS/crowd"
	is "$output" served
	count_is 4 '^register .* wanted=7777 '
	is "$(sed -n 's/.* wanted=7777 //p' "$REQUESTS" | uniq | wc -l)" 1
}

@test "a sandboxed child's listener costs no other system call, where the server's own are moved" {
	local mode
	peer elsewhere:0
	for mode in replace standby join; do
		server SKSTEER_LABEL=web SKSTEER_MODE=$mode "${TCP[@]}" tcp4 fork sandbox \
			bind=0.0.0.0#9000 listen
		returned "bind ok" "listen ok" "bind ok" "listen ok"
	done
}
