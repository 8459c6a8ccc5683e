# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns what the tests of changes and of recovery share: a server that does what the test tells it
# (acts.py), and where the pins are.

load promises

setup() {
	sks_setup
	need jq /usr/bin/python3
	cp "$BATS_TEST_DIRNAME/acts.py" "$PROGS"
}

# act NAME [SKSTEER_X=...]...: acts.py under the library, as user $AS in $NS.
act() {
	local name=$1 AS_WHO
	shift
	as_who
	: > "$SKS_DIR/$name.log"
	mkfifo -m 666 "$SKS_DIR/$name.fifo"
	start_server "$name" "${AS_WHO[@]}" env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" "$@" \
		/usr/bin/python3 "$PROGS/acts.py" "$SKS_DIR/$name.fifo"
	wait_until 10 says_ready "$name"
}

has_done() {
	(($(grep -c '^= ' "$SKS_DIR/$1.log") >= $2))
}

# tell NAME ACT...: returns when all are done; a line on stdout for each, what came of it.
tell() {
	local name=$1 before
	shift
	before=$(grep -c '^= ' "$SKS_DIR/$name.log" || :)
	printf '%s\n' "$@" > "$SKS_DIR/$name.fifo"
	wait_until 30 has_done "$name" $((before + $#))
	sed -n 's/^= //p' "$SKS_DIR/$name.log" | tail -n $#
}

# does NAME ACT...: and nothing of it fails.
does() {
	is "$(tell "$@" | sort -u)" 'done'
}

# service FILTER LABEL: of that service.
service() {
	status_jq ".services[] | select(.label == \"$2\") | $1"
}

pins_are_there() {
	in_ns test -e "$1"
}
