#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of what a helper leaves when it dies, stops or runs out of something, of what the
# next one makes of it, and of a namespace's end.

load acts

# --- the next helper ----------------------------------------------------------------------------

@test "one service's ambiguity is nobody else's: others register, and the next helper takes up" {
	start_helper
	AS=nobody act bad SKSTEER_PORTS=any:8080
	does bad 'open v4 tcp 0.0.0.0 7777 reuse' 'open lo tcp :: 7777 v6only reuse dev=lo' \
		'open v6 tcp :: 7777 v6only reuse'
	serve web 80 SKSTEER_LABEL=web 0.0.0.0#9999
	silent web
	gets 127.0.0.1 80 web
	gets 127.0.0.1 8080 v4
	services_are "@python3-$(pid_of bad) web"
	kill_helper
	start_helper
	has_not "$(log_of helper)" 'cannot take up'
	services_are "@python3-$(pid_of bad) web"
	serve more 81 SKSTEER_LABEL=more 0.0.0.0#9998
	silent more
	gets 127.0.0.1 81 more
	kill_server bad
	kill_server web
	serve again 80 SKSTEER_LABEL=web 0.0.0.0#9999
	silent again
	gets 127.0.0.1 80 again
	wait_until 2 services_are 'more web'
	audit
}

epoch() {
	in_ns "$PROGS/pins" epoch "$(pins_dir)"
}

@test "a second helper on the same pins, at another socket, leaves the first one's tables alone" {
	local before
	start_helper
	# More prefixes than a rule has room for.
	serve web '127.0.0.1:80;127.0.0.2:80;127.0.0.3:80;127.0.0.4:80;127.0.1.0/24:80' \
		SKSTEER_LABEL=web 0.0.0.0#7777
	plain stranger 0.0.0.0#80
	gets 127.0.1.9 80 web
	before=$(epoch)
	run in_ns timeout --signal=KILL $((5 * SKS_SLOW)) "$HELPER" \
		--socket "$SKS_DIR/second.sock" --bpffs "$BPFFS"
	is "$status" 1
	has "$output" "$BPFFS"
	is "$(epoch)" "$before"
	serve other 81 0.0.0.0#8888
	gets 127.0.0.1 81 other
	gets 127.0.1.9 80 web
	gets 127.0.0.1 80 web
	gets 127.0.2.1 80 stranger
	# Once the first is dead, the pins are anybody's.
	kill_helper
	SOCKET=$SKS_DIR/second.sock start_helper
	gets 127.0.1.9 80 web
}

# targets FIRST N: N addresses, each with a port of its own.
targets() {
	local i
	for ((i = $1; i < $1 + $2; i++)); do
		printf '%s127.%d.%d.1:%d' "$( ((i > $1)) && echo ';')" $((i / 100 + 1)) $((i % 100)) \
			$((20000 + i))
	done
}

# steers_targets FIRST N NAME: to that server, and none of their ports elsewhere.
steers_targets() {
	local i
	for i in "$1" $(($1 + $2 / 2)) $(($1 + $2 - 1)); do
		gets "127.$((i / 100 + 1)).$((i % 100)).1" $((20000 + i)) "$3"
		refused 127.0.0.1 $((20000 + i))
	done
	is "$(service '.bindings | length' big)" "$2"
}

@test "700 rules survive their server and their helper" {
	local i
	start_helper
	for i in 1 2 3; do
		serve "big$i" "$(targets 0 700)" SKSTEER_LABEL=big 0.0.0.0#7777
		silent "big$i"
		steers_targets 0 700 "big$i"
		kill_server "big$i"
		kill_helper
		refused 127.1.0.1 20000
		start_helper
		refused 127.1.0.1 20000
	done
	# Not one of them is the earlier ones'.
	serve other "$(targets 700 700)" SKSTEER_LABEL=big 0.0.0.0#7777
	silent other
	steers_targets 700 700 other
	passes_by 20000
	kill_helper
	start_helper
	has_not "$(log_of helper)" 'no room'
	steers_targets 700 700 other
	serve small 80 0.0.0.0#8888
	gets 127.0.0.1 80 small
	audit
}

@test "killed between pinning a new program and renaming it: the next helper takes up" {
	local dir
	[[ -n $BPFTOOL ]] || need bpftool
	start_helper
	serve web 80 SKSTEER_LABEL=web 0.0.0.0#7777
	dir=$(pins_dir)
	kill_helper
	in_ns "$PROGS/pins" old "$dir"
	in_ns "$BPFTOOL" prog pin pinned "$dir/program" "$dir/program-new"
	start_helper
	pins_are_there "$dir/program-new" && fail 'program-new is still there'
	serve other 81 0.0.0.0#8888
	silent other
	gets 127.0.0.1 81 other
	gets 127.0.0.1 80 web
	is "$(in_ns "$BPFTOOL" -j link show pinned "$dir/link" | jq .prog_id)" \
		"$(in_ns "$BPFTOOL" -j prog show pinned "$dir/program" | jq .id)"
}

@test "killed while it takes the pins away: the next helper cleans up, and the next server works" {
	local dir half
	start_helper
	dir=$(pins_dir)
	for half in "$dir" "${dir%/*}/new-${dir##*-}"; do
		serve web 80 SKSTEER_LABEL=web 0.0.0.0#7777
		silent web
		kill_server web
		kill_helper
		[[ $half == "$dir" ]] || in_ns mv "$dir" "$half"
		in_ns rm "$half/link"
		start_helper
		pins_are_there "$half" && fail "$half is still there"
		serve again 80 SKSTEER_LABEL=web 0.0.0.0#7777
		silent again
		gets 127.0.0.1 80 again
		kill_server again
		ctl unload
	done
	is "$(in_ns find "$BPFFS" -mindepth 1 -maxdepth 1)" ''
}

@test "the helper dead, and 40 newer members of a group closed: the one that lives is reached" {
	local i opens=() closes=()
	start_helper
	act web SKSTEER_PORTS=80
	does web 'open live tcp 0.0.0.0 7777 reuse'
	for i in {1..40}; do
		opens+=("open new$i tcp 0.0.0.0 7777 reuse")
		closes+=("close new$i")
	done
	does web "${opens[@]}"
	wait_sockets 41
	kill_helper
	does web "${closes[@]}"
	for i in {1..5}; do
		gets 127.0.0.1 80 live
	done
	wait_sockets 1
	start_helper
	gets 127.0.0.1 80 live
	wait_sockets 1
	audit
}

# --- a helper in need ---------------------------------------------------------------------------

# spare_fds PID N: so many numbers for new descriptors and no more. What it inherited leaves holes.
spare_fds() {
	local limit free=0
	for ((limit = 0; free < $2; limit++)); do
		[[ -e /proc/$1/fd/$limit ]] || ((++free))
	done
	prlimit --pid "$1" --nofile="$limit:"
}

has_fds() {
	is "$(open_fds "$1")" "$2"
}

@test "without a descriptor to spare the helper lets go of no namespace" {
	local pid full
	add_ns other
	start_helper
	pid=$(helper_pid)
	serve web 80 SKSTEER_LABEL=web 0.0.0.0#7777
	NS=other serve there 80 SKSTEER_LABEL=there 0.0.0.0#7777
	cp "$BATS_TEST_DIRNAME/wire_probe.py" "$PROGS"
	wait_until 5 helper_rests
	full=$(($(open_fds "$pid") + 4))
	spare_fds "$pid" 4
	start_server hoard "${AS_NOBODY[@]}" /usr/bin/python3 "$PROGS/wire_probe.py" "$SOCKET" \
		hoard 12
	wait_until 5 has_fds "$pid" "$full"
	# Longer than it is between two looks for namespaces that have gone.
	holds 6 gets 127.0.0.1 80 web
	NS=other gets 127.0.0.1 80 there
	pins_are_there "$(pins_dir)/link"
	pins_are_there "$(NS=other pins_dir)/link"
	kill_server hoard
	prlimit --pid "$pid" --nofile=1024:
	services_are web
	serve more 81 0.0.0.0#8888
	gets 127.0.0.1 81 more
}

is_zombie() {
	grep -q '^State:.Z' "/proc/$1/status"
}

@test "a process that has ended and is never waited for neither spins the helper nor keeps it" {
	local ended pid
	start_helper --idle-exit 4
	pid=$(helper_pid)
	act parent
	ended=$(tell parent "leave $RUN --socket $SOCKET -p 80 -- /bin/true")
	wait_until 5 is_zombie "$ended"
	holds 2 uses_at_most "$pid" $(($(used_ms "$pid") + 200))
	wait_until 10 sks_is_gone "$pid"
	wait "$pid"
	is_zombie "$ended"
}

# --- what another version has left ----------------------------------------------------------------

program_id() {
	in_ns "$BPFTOOL" -j link show pinned "$(pins_dir)/link" | jq .prog_id
}

# is_refused CMD...: with the one line that names the directory, both layouts and what to do.
is_refused() {
	local text
	run --separate-stderr "$@"
	is "$status" 1
	is "$output" ''
	for text in "$(pins_dir)" 'map layout 2' "this version's is 6" 'sksteerctl unload'; do
		has "$stderr" "$text"
	done
	is "$(wc -l <<< "$stderr")" 1
}

@test "maps of another layout: refused in words, their traffic goes on, other namespaces are served" {
	local id
	[[ -n $BPFTOOL ]] || need bpftool
	add_ns other
	start_helper
	serve web any:7 SKSTEER_LABEL=web 127.0.0.1#7777
	NS=other serve there 7 SKSTEER_LABEL=there 0.0.0.0#7777
	storm web 127.0.0.1 7
	kill_helper
	in_ns "$PROGS/pins" foreign "$(pins_dir)"
	in_ns "$BPFTOOL" prog pin pinned "$(pins_dir)/program" "$(pins_dir)/program-new"
	id=$(program_id)
	start_helper
	is "$(grep -c 'map layout 2' "$SKS_DIR/helper.log")" 1
	is_refused ctl status
	is_refused ctl status web --json
	is_refused as_user "$CTL" status --socket "$SOCKET"
	is_refused ctl bind web 8
	is_refused ctl unbind web 7
	serve more 9 0.0.0.0#9999
	said more 'map layout 2'
	gets 127.0.0.1 9999 more
	run ctl status --all --json
	is "$status" 1
	has "$output" 'map layout 2'
	NS=other services_are there
	NS=other gets 127.0.0.1 7 there
	NS=other serve late 8 0.0.0.0#8888
	NS=other gets 127.0.0.1 8 late
	is "$(grep -c 'cannot' "$SKS_DIR/helper.log")" 0
	storm_goes_on
	end_storm
	is "$(program_id)" "$id"
	pins_are_there "$(pins_dir)/program-new"
	ctl unload
	not pins_are_there "$(pins_dir)"
	refused 127.0.0.1 7
	kill_server web
	serve again any:7 SKSTEER_LABEL=web 127.0.0.1#7777
	silent again
	gets 127.0.0.1 7 again
}

@test "maps of another layout: unloaded without a helper too" {
	start_helper
	serve web any:7 SKSTEER_LABEL=web 127.0.0.1#7777
	kill_helper
	in_ns "$PROGS/pins" foreign "$(pins_dir)"
	is_refused ctl status
	gets 127.0.0.1 7 web
	has "$(ctl unload)" 'unloaded without a helper'
	refused 127.0.0.1 7
	start_helper
	has_not "$(log_of helper)" 'layout'
	services_are ''
}

@test "pins of which nothing is known but their link: refused in words, until they are unloaded" {
	start_helper
	serve web any:7 SKSTEER_LABEL=web 127.0.0.1#7777
	kill_helper
	in_ns mv "$(pins_dir)/ports" "$(pins_dir)/gates"
	start_helper
	has "$(log_of helper)" 'map layout one unknown here'
	run ctl status
	is "$status" 1
	has "$output" 'map layout one unknown here'
	gets 127.0.0.1 7 web
	ctl unload
	refused 127.0.0.1 7
	not pins_are_there "$(pins_dir)"
}

@test "maps of another layout go with their namespace, whether a helper sees it or not" {
	local pins dead
	[[ -n $BPFTOOL ]] || need bpftool
	add_ns seen
	add_ns unseen
	start_helper
	NS=seen serve seen 7 SKSTEER_LABEL=seen 0.0.0.0#7777
	NS=unseen serve unseen 7 SKSTEER_LABEL=unseen 0.0.0.0#7777
	pins=$(NS=seen pins_dir)
	kill_helper
	in_ns "$PROGS/pins" foreign "$pins"
	in_ns "$PROGS/pins" foreign "$(NS=unseen pins_dir)"
	dead=$(NS=unseen pins_dir)
	kill_server unseen
	delete_ns unseen
	wait_until 5 link_is_dead "$dead"
	start_helper
	is "$(in_ns find "$BPFFS" -mindepth 1 -maxdepth 1)" "$pins"
	kill -KILL "$(pid_of seen)"
	delete_ns seen
	wait_until 10 has_died "$pins"
	wait_until 1 not pins_are_there "$pins"
	is "$(ctl status --all)" 'nothing is steered in any network namespace'
}

# --- a namespace's end --------------------------------------------------------------------------

@test "a namespace in which nothing is left is unloaded, and serves the next server" {
	local program
	[[ -n $BPFTOOL ]] || need bpftool
	add_ns other
	start_helper
	# A label without a server is something.
	NS=other serve label 80 SKSTEER_LABEL=label 0.0.0.0#7777
	kill_server label
	serve web 80 0.0.0.0#7777
	program=$(in_ns "$BPFTOOL" -j prog show pinned "$(pins_dir)/program" | jq .id)
	kill_server web
	wait_until 10 not pins_are_there "$(pins_dir)"
	wait_until 2 not "$BPFTOOL" prog show id "$program"
	is "$(in_ns find "$BPFFS" -mindepth 1 -maxdepth 1 -name 'net-*')" "$(NS=other pins_dir)"
	serve again 80 0.0.0.0#7777
	silent again
	gets 127.0.0.1 80 again
	NS=other refused 127.0.0.1 80
	is "$(NS=other service .label label)" label
}
