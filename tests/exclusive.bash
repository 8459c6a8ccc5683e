# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns what the tests of exclusive ports share: binds of other users (progs/grab.c), and what a range
# leaves out.

load stand

# grabs PLACE...: what progs/grab.c says as user2, who has nothing here; as root with AS=root, as
# nobody with AS=nobody.
grabs() {
	local AS_WHO
	AS=${AS:-user2} as_who
	in_ns "${AS_WHO[@]}" "$PROGS/grab" "$@"
}

# taken PLACE..., free PLACE...: every one of them is, for that user.
taken() {
	is "$(grabs "$@")" "$(printf '%s EADDRINUSE\n' "$@")"
}

free() {
	is "$(grabs "$@")" "$(printf '%s done\n' "$@")"
}

# holds_port NAME PLACE...: user2 keeps them (with LISTENS=-l listens).
holds_port() {
	local name=$1 options=(-h)
	[[ -z ${LISTENS:-} ]] || options+=(-l)
	shift
	: > "$SKS_DIR/$name.log"
	start_server "$name" "${AS_USER2[@]}" "$PROGS/grab" "${options[@]}" "$@"
	wait_until 5 says "$name" ready
}

local_ports() {
	in_ns sysctl -qw net.ipv4.ip_local_port_range="$1 $2"
}

left_out_are() {
	is "$(service '[.left_out[] | "\(.ports)/\(.protocol)"] | sort | join(" ")' "${2:-}")" "$1"
}
