# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns what the tests of the promises share: servers whose lifetime the test controls, users, storms.

bats_require_minimum_version 1.5.0
load lib

setup() {
	sks_setup
}

teardown() {
	sks_teardown
}

# --- servers -----------------------------------------------------------------------------------

says_ready() {
	grep -qx ready "$SKS_DIR/$1.log"
}

# serve NAME SPEC [SKSTEER_X=...] [-OPTION] ADDRESS#PORT[/udp]...: progs/serve.c under the library,
# as user $AS in $NS. Returns when its listen(2) has returned: from then on its ports are steered,
# and no test waits for them.
serve() {
	local name=$1 vars=(SKSTEER_PORTS="$2") options=() AS_WHO
	shift 2
	while [[ $1 == SKSTEER_* ]]; do
		vars+=("$1")
		shift
	done
	while [[ $1 == -* ]]; do
		options+=("$1")
		shift
	done
	as_who
	: > "$SKS_DIR/$name.log"
	start_server "$name" "${AS_WHO[@]}" env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" \
		"${vars[@]}" "$PROGS/serve" "${options[@]}" "$name" "$@"
	wait_until 5 says_ready "$name"
}

# plain NAME ADDRESS#PORT[/udp]...: the same server without us.
plain() {
	local AS_WHO
	as_who
	: > "$SKS_DIR/$1.log"
	start_server "$1" "${AS_WHO[@]}" "$PROGS/serve" "$@"
	wait_until 5 says_ready "$1"
}

# gets ADDRESS PORT NAME: that server answers there, at the first attempt, and sees the port.
gets() {
	is "$(ask "$1" "$2")" "$3 $2"
}

gets_udp() {
	is "$(ask_udp "$1" "$2" | cut -d ' ' -f 1)" "$3"
}

# said NAME PART: the server's output has it.
said() {
	has "$(log_of "$1")" "$2"
}

silent() {
	local name
	for name in "$@"; do
		is "$(log_of "$name")" ready
	done
}

# may_bind PORT: root may, who is anybody but the one that has it.
may_bind() {
	is "$(in_ns "$PROGS/grab" "0.0.0.0#$1")" "0.0.0.0#$1 done"
}

# passes_by PORT: within 1 s nobody has it any more, and a stranger who binds it is served.
passes_by() {
	wait_until 1 may_bind "$1"
	plain "stranger$1" "0.0.0.0#$1"
	wait_until 1 gets 127.0.0.1 "$1" "stranger$1"
}

# calls WORD...: progs/calls.c under the library as user $AS in $NS, with $SPEC; to its end.
calls() {
	local AS_WHO
	as_who
	run --separate-stderr in_ns "${AS_WHO[@]}" env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" \
		SKSTEER_PORTS="$SPEC" "$PROGS/calls" "$@"
	is "$status" 0
}

now_ms() {
	echo $((${EPOCHREALTIME/[.,]/} / 1000))
}

# said_ms NAME: when it said its last word, whenever somebody looks.
said_ms() {
	echo $(($(date -r "$SKS_DIR/$1.log" +%s%N) / 1000000))
}

# delayed_ms PID: how long it has waited for a processor in its life; 0 where the kernel does not say.
delayed_ms() {
	awk '{ print int($2 / 1000000) }' "/proc/$1/schedstat" 2> /dev/null || echo 0
}

# delete_ns NAME: its last process; the kernel takes it down some time later.
delete_ns() {
	local pid=${SKS_HOLDER[$1]}
	unset -v "SKS_HOLDER[$1]"
	{
		kill -KILL "$pid"
		wait "$pid" || :
	} 2> /dev/null
}

# link_is_dead DIR: the namespace whose pins those are has gone.
link_is_dead() {
	is "$(in_ns "$BPFTOOL" -j link show pinned "$1/link" | jq .netns_ino)" 0
}

# has_died DIR: for wait_until: the same, also where a helper has seen it already.
has_died() {
	not in_ns test -e "$1" || link_is_dead "$1"
}

# --- the helper --------------------------------------------------------------------------------

# A connection waits to be accepted: a server is in the middle of its call.
is_asked() {
	local waiting
	waiting=$(ss -Hxl src "$SOCKET" | awk '{ print $3 }')
	((waiting > 0))
}

# status_of_all: what status says, without what is meant to change.
status_of_all() {
	status_jq 'del(.services[].counters) | tojson'
}

# pins_dir: of $NS.
pins_dir() {
	echo "$BPFFS/net-$(ns_ino "${NS:-main}")"
}

# audit: no record of $NS is half of one (progs/pins.c).
audit() {
	in_ns "$PROGS/pins" audit "$(pins_dir)"
}

# services_are 'LABEL...': those and no others, sorted, are in the status of $NS.
services_are() {
	is "$(status_jq '[.services[].label] | sort | join(" ")')" "$1"
}

# --- storms ------------------------------------------------------------------------------------

# storm NAME ADDRESS PORT: connects without a pause, and expects that server each time.
storm() {
	: > "$SKS_DIR/storm"
	start_server storm "$PROGS/storm" "$@" "$SKS_DIR/storm"
	storm_goes_on
}

storm_has() {
	local connects failures
	read -r connects failures < "$SKS_DIR/storm" && ((connects >= $1 || failures))
}

# storm_goes_on [N]: waits for N more connections.
storm_goes_on() {
	local connects=0
	read -r connects _ < "$SKS_DIR/storm" || :
	wait_until 10 storm_has $((connects + ${1:-200}))
}

# end_storm: every connection of it came through.
end_storm() {
	local connects failures
	stop_server storm || fail "$(log_of storm)"
	read -r connects failures < "$SKS_DIR/storm"
	is "$failures" 0
	((connects > 0))
}
