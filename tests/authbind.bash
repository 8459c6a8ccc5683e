# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns what the tests of granted ports share: users who bind, by the raw form.
# shellcheck disable=SC2154 # bats sets $stderr

load acts
load policy

INSTANCE=SKSTEER_INSTANCE=00112233445566778899aabbccddeeff

# binds [SKSTEER_X=...]... WORD...: progs/calls.c as user $AS, by the raw form; to its end.
binds() {
	local AS_WHO vars=()
	as_who
	while [[ $1 == SKSTEER_* ]]; do
		vars+=("$1")
		shift
	done
	run --separate-stderr in_ns "${AS_WHO[@]}" env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" \
		"${vars[@]}" "$PROGS/calls" "$@"
	is "$status" 0
}

# granted WORD...
granted() {
	binds "$INSTANCE" "$@"
	is "$output" 'bind ok'
	is "$stderr" ''
}
