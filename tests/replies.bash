# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns what the tests of reply sockets share: servers (reply.py) that speak to the helper themselves.

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
	is "$2: $(tell "$1" "$2" | sed 's/^steered .* is not local to this host.*/steered/')" "$2: $3"
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

# Where bpftool fails, as a link of others goes while it lists them, nothing is known.
is_detached() {
	local links
	links=$("$BPFTOOL" -j link) &&
		is "$(jq --argjson ino "$(ns_ino)" 'any(.[]; .netns_ino == $ino)' <<< "$links")" false
}

# Without a helper that would end reply sockets.
steers_no_more() {
	kill_helper
	in_ns find "$BPFFS" -type f -delete
	wait_until 5 is_detached
}

label_of() {
	echo "@python3-$(pid_of "$1")"
}

# aborted NAME SOCKET
aborted() {
	is "$(tell "$1" "error $2")" ECONNABORTED
}
