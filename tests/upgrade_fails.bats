#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of sksteerctl upgrade where it fails or is interrupted: what it says, and what is left.
# shellcheck disable=SC2016 # what is in single quotes is another shell's
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own

load upgrade

# late CMD: under a name by which it is found again.
late() {
	cp "$(command -v "$1")" "$PROGS/late"
	LATE=$PROGS/late
}

# fails STATUS ERROR [OPTION]... -- CMD...: in a storm that loses nothing; no trace is left.
fails() {
	local expected=$1 error=$2 status=0
	shift 2
	[[ -n ${SKS_PID[old]:-} ]] || web_old
	rush storm -c 6 -r 500 name 127.0.0.1#{7,77}
	upgrade new "$@" || status=$?
	rush_goes_on storm 50
	end_rush storm
	is "$(answered storm old)" "$(rushed storm)"
	errors "sksteerctl: upgrade: $error"
	is "$status" "$expected"
	is "$(tail -n 1 "$SKS_DIR/steps.log")" '"web" is served as before'
	gone late
	is "$(service '[.sockets[].state] | unique | join(" ")' web)" listening
	reaches 127.0.0.1#{7,77,7777}=old
}

@test "upgrade: a command that ends: the old one goes on" {
	fails 1 '"bash" ended with status 3 before it registered a listener' -- sh -c 'exit 3'
	fails 1 '"bash" ended with status 0 before it registered a listener' -- true
	fails 1 '"bash" was ended by SIGSEGV before it registered a listener' -- sh -c 'kill -SEGV $$'
	fails 1 '"bash" ended with status 127 before it registered a listener' -- /nowhere/server
	fails 1 '"bash" ended with status 0 before it registered a listener' -- \
		sh -c 'setsid sleep 0.3 & exit 0'
}

@test "upgrade: a command that cannot be started: the old one goes on" {
	local status=0
	web_old
	for word in /nowhere/server nowhere-server; do
		run -1 ctl upgrade web -- "$word"
		is "$output" "sksteerctl: upgrade: cannot start \"$word\": No such file or directory
\"web\" is served as before"
	done
	run -1 ctl upgrade web -- "$SKS_DIR"
	has "$output" 'Permission denied'
}

@test "upgrade: a command that never listens is ended in time: the old one goes on" {
	late sleep
	fails 1 '"bash" registered no listener within 1 s' --timeout 1 -- "$LATE" 1000
	has_step "^stopped: process $(started)$"
	fails 1 '"bash" registered no listener within 1 s' --timeout 1 -- \
		sh -c 'setsid "$0" 1000 & exit 0' "$LATE"
}

@test "upgrade: a command that ends at no SIGTERM is killed" {
	late sleep
	fails 1 '"bash" registered no listener within 1 s' --timeout 1 -- \
		sh -c 'trap "" TERM; "$0" 1000 & "$0" 1000' "$LATE"
}

@test "upgrade: a command that listens elsewhere than the label's server is ended in time" {
	late "$PROGS/stand"
	stand old SKSTEER_LABEL=web SKSTEER_PORTS=7777=7,77 old=tcp:0.0.0.0#7777
	fails 1 '"bash" registered no listener within 1 s' --timeout 1 -- "$LATE" new=tcp:0.0.0.0#7778
	says new ready
}

@test "upgrade: a command that cannot bind what the old one's spec leaves to it ends" {
	late "$PROGS/stand"
	plain stranger stranger=tcp:0.0.0.0#7778
	fails 1 '"bash" registered no listener within 1 s' --timeout 1 -- "$LATE" new=tcp:0.0.0.0#7778
	says new 'new bind EADDRINUSE'
}

# bats test_tags=sanitize
@test "upgrade: --ready that does not succeed: the new one is ended, the old one goes on" {
	local seconds=$((2 * SKS_SLOW))
	late "$PROGS/stand"
	fails 1 "--ready: \"exit 7\" did not succeed within $seconds s: its last status was 7" \
		--timeout "$seconds" --ready 'exit 7' -- "$LATE" new=tcp:0.0.0.0#7777
	has_step '^standing by: '
	fails 1 "--ready: \"sleep 1000\" did not succeed within $seconds s: it never ended" \
		--timeout "$seconds" --ready 'sleep 1000' -- "$LATE" new=tcp:0.0.0.0#7777
	fails 1 '"bash" ended with status 4 before the move' --ready 'exit 1' -- \
		sh -c '"$1" "$2" & until grep -q "^standing by: " "$0/steps.log"; do sleep 0.02; done
			kill "$!"; exit 4' "$SKS_DIR" "$LATE" new=tcp:0.0.0.0#7777
	fails 1 '--ready: no TCP listener that could be asked stands by' --ready true -- \
		"$LATE" new=udp:0.0.0.0#7777
}

@test "upgrade: --ready finds the new one at SKSTEER_READY_ADDR, not the old one" {
	web_old
	upgrade new --ready 'echo "$SKSTEER_READY_ADDR" > '"$SKS_DIR/addr"'
		"'"$PROGS/dial"'" "${SKSTEER_READY_ADDR%:*}#${SKSTEER_READY_ADDR##*:}" | grep " new$"' \
		-- "$PROGS/stand" new=tcp:0.0.0.0#7777
	is "$(cat "$SKS_DIR/addr")" "127.0.0.1:$(real_bound)"
	upgrade six --ready 'echo "$SKSTEER_READY_ADDR" > '"$SKS_DIR/addr" -- \
		"$PROGS/stand" six=tcp:::1#7777
	is "$(cat "$SKS_DIR/addr")" '[::1]:7777'
}

# bats test_tags=sanitize
@test "upgrade: interrupted before the move, the new one is ended" {
	local sig status
	late "$PROGS/stand"
	web_old
	for sig in TERM INT HUP; do
		begin_upgrade new --ready 'exit 1' -- "$LATE" new=tcp:0.0.0.0#7777
		wait_until 5 has_step '^standing by: '
		kill "-$sig" "$(pid_of upgrade)"
		status=0
		wait_server upgrade || status=$?
		is "$status" $((128 + $(kill -l "$sig")))
		errors "sksteerctl: upgrade: SIG$sig came before the move"
		gone late
		reaches 127.0.0.1#{7,77,7777}=old
	done
}

@test "upgrade: of two at a time one is refused, and the other succeeds" {
	late "$PROGS/stand"
	web_old
	begin_upgrade new --ready "test -e $SKS_DIR/go" -- "$PROGS/stand" new=tcp:0.0.0.0#7777
	wait_until 5 has_step '^standing by: '
	run -1 ctl upgrade web -- "$LATE" second=tcp:0.0.0.0#7777
	is "$output" "sksteerctl: upgrade: process $(started) stands by for \"web\" already"
	touch "$SKS_DIR/go"
	wait_server upgrade
	reaches 127.0.0.1#{7,77,7777}=new
}

# begin_with_client: an upgrade that has moved, and waits for a client of the old one.
begin_with_client() {
	web_old keep
	hold client 127.0.0.1 7
	hears client 'old 7'
	begin_upgrade new -- "$PROGS/stand" new=tcp:0.0.0.0#7777
	wait_until 5 has_step '^waiting for 1 connection'
}

@test "upgrade: a new one that ends after the move: the old one has the traffic back, and no signal" {
	local status=0
	begin_with_client
	kill -KILL "$(started)"
	wait_server upgrade || status=$?
	is "$status" 1
	errors 'sksteerctl: upgrade: the new instance has closed its listeners after the move: the old one is not signalled, and serves "web" again'
	reaches 127.0.0.1#{7,77,7777}=old
	still_talks client
}

@test "upgrade: interrupted after the move, it says what is left" {
	local status=0
	begin_with_client
	kill "$(pid_of upgrade)"
	wait_server upgrade || status=$?
	is "$status" 143
	errors 'sksteerctl: upgrade: SIGTERM came after the move: the new instance serves "web", and the old one is not signalled'
	reaches 127.0.0.1#{7,77,7777}=new
	still_talks client
}

@test "upgrade: an old one that does not end in time is said" {
	local status=0
	start_server old env --ignore-signal=TERM LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" \
		SKSTEER_LABEL=web SKSTEER_PORTS=7 "$PROGS/stand" old=tcp:0.0.0.0#7777
	wait_sockets 1
	upgrade new --timeout 3 -- "$PROGS/stand" new=tcp:0.0.0.0#7777 || status=$?
	is "$status" 1
	errors "sksteerctl: upgrade: process $(pid_of old) has not ended within 3 s of SIGTERM"
	reaches 127.0.0.1#{7,7777}=new
}

@test "upgrade: no such label, and no helper" {
	run -1 ctl upgrade web -- true
	is "$output" 'sksteerctl: upgrade: no label "web" of yours in this network namespace'
	kill_helper
	run -1 ctl upgrade web -- true
	has "$output" "sksteerctl: upgrade: no helper at $SOCKET: start one as root: sksteerd"
}

@test "upgrade: from a shell that had started the old one itself" {
	start_server shell bash -c '
		LD_PRELOAD=$1 SKSTEER_SOCKET=$2 SKSTEER_LABEL=web SKSTEER_PORTS=7 \
			"$0" old=tcp:0.0.0.0#7777 &
		echo $! > "$4/old.pid"
		while ! test -e "$4/go"; do sleep 0.02; done
		export SKSTEER_SOCKET=$2
		exec "$3" upgrade web -- "$0" new=tcp:0.0.0.0#7777' \
		"$PROGS/stand" "$LIB" "$SOCKET" "$CTL" "$SKS_DIR"
	wait_sockets 1
	touch "$SKS_DIR/go"
	wait_server shell
	grep -q "^ended: process $(cat "$SKS_DIR/old.pid")$" "$SKS_DIR/shell.log"
	reaches 127.0.0.1#{7,7777}=new
}
