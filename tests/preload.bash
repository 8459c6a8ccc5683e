# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# shellcheck disable=SC2034 # what is set here is used by the tests
# shellcheck disable=SC2154 # bats sets $stderr
# Owns what the tests of libsksteer.so alone share: a server under the library, peer.py in the helper's
# place (a real helper does not misbehave), and exact comparisons of what both have seen.

bats_require_minimum_version 1.5.0
load lib

SPEC=SKSTEER_PORTS=7,77
STRICT=SKSTEER_STRICT=1
TCP=(tcp4 bind=0.0.0.0#7777 listen)
UNANSWERED="7,77 not steered (this process does not ask again for 60 s)"

setup() {
	sks_setup
	need python3
	REQUESTS=$SKS_DIR/peer.log
	: > "$REQUESTS"
}

teardown() {
	sks_teardown
}

# peer HOW: a helper that does so, in place of an earlier one. Its pid is that of server "peer".
peer() {
	stop_peer
	rm -f "$SOCKET"
	start_server peer python3 "$BATS_TEST_DIRNAME/peer.py" "$SOCKET" "$1"
	wait_until 10 test -S "$SOCKET"
}

# named HOW [USER...]: the same by the abstract name of $SOCKET, run by that user.
named() {
	local how=$1
	shift
	kill_named
	cp "$BATS_TEST_DIRNAME/peer.py" "$PROGS"
	start_server named "$@" /usr/bin/python3 "$PROGS/peer.py" "@$SOCKET" "$how"
	wait_until 10 grep -qx named "$SKS_DIR/named.log"
}

kill_named() {
	[[ -n ${SKS_PID[named]:-} ]] || return 0
	kill_server named
	: > "$SKS_DIR/named.log"
}

# heard [LINE...]: what it was sent, as requested().
heard() {
	is "$(sed -E '/^named$/d; s/ instance=[0-9a-f]*//; s/fd=[0-9]{5},/fd=any,/' \
		"$SKS_DIR/named.log")" "$(as_lines "$@")"
}

# When it returns, the peer's socket refuses connections.
stop_peer() {
	[[ -n ${SKS_PID[peer]:-} ]] || return 0
	kill_server peer
	unset -v 'SKS_PID[peer]'
}

# server [SKSTEER_X=...] WORD...: the words are those of progs/calls.c; what it wrote to stderr is
# left in $SAID.
server() {
	local vars=(LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET")
	while [[ $1 == SKSTEER_* ]]; do
		vars+=("$1")
		shift
	done
	run --separate-stderr in_ns env "${vars[@]}" "$PROGS/calls" "$@"
	SAID=$stderr
	if ((status == 77)); then
		[[ -z ${CI:-} ]] || fail "$stderr"
		skip "not allowed here: $stderr"
	fi
	is "$status" 0
}

as_lines() {
	(($# == 0)) || printf '%s\n' "$@"
}

# returned LINE...: the server's stdout, exactly.
returned() {
	is "$output" "$(as_lines "$@")"
}

# said [LINE...]: the server's stderr, exactly.
said() {
	is "$SAID" "$(as_lines "$@")"
}

# requested [LINE...]: what the peer has received, exactly but for the instance, and for ports that
# the kernel chose.
requested() {
	is "$(sed -E 's/ instance=[0-9a-f]*//; s/fd=[0-9]{5},/fd=any,/' "$REQUESTS")" \
		"$(as_lines "$@")"
}

# registered: what it receives from $SPEC and $TCP.
registered() {
	requested "register 7,77 mode=0 weight=0 label= fd=7777,listens"
}

# count_is N PATTERN: lines of requests.
count_is() {
	is "$(grep -c "$2" "$REQUESTS")" "$1"
}
