#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of pinned maps that no helper can have left so: said in one line, not touched, and
# nobody else's matter.
# bats file_tags=sanitize

load acts

# damage FIELD RECORD VALUE: prints what stood there.
damage() {
	in_ns "$PROGS/damage" "$(pins_dir)" "$@"
}

# is_refused CMD...: with one line that says which pins are damaged, and what to do.
is_refused() {
	local text
	run --separate-stderr "$@"
	is "$status" 1
	is "$output" ''
	for text in "the pins in $(pins_dir) are damaged: " 'sksteerctl unload'; do
		has "$stderr" "$text"
	done
	is "$(wc -l <<< "$stderr")" 1
}

# Of the helper that runs now, which says nothing else that is an error.
logs_damage() {
	is "$(grep -c 'are damaged: ' "$SKS_DIR/helper.log")" "$1"
	is "$(grep -c 'cannot' "$SKS_DIR/helper.log")" 0
}

# A label of each kind: with rules, prefixes beyond four, a group, both protocols.
serve_all() {
	serve web 'any:7;127.0.0.1:8;127.0.0.2:8;127.0.0.3:8;127.0.0.4:8;127.0.1.0/24:8;9/udp' \
		SKSTEER_LABEL=web 0.0.0.0#7777
	serve one 11 SKSTEER_LABEL=pair SKSTEER_MODE=join 127.0.0.1#7771
	serve two 11 SKSTEER_LABEL=pair SKSTEER_MODE=join 127.0.0.1#7771
}

# is_said FIELD RECORD VALUE: by a helper that starts, and by status. Then it is put right.
is_said() {
	local old sum
	kill_helper
	: > "$SKS_DIR/helper.log"
	old=$(damage "$@")
	sum=$(damage sum)
	is_refused ctl status
	start_helper
	logs_damage 1
	is_refused ctl status
	is "$(damage sum)" "$sum"
	NS=other services_are there
	damage "$1" "$2" "$old" > /dev/null
}

@test "each number that leads somewhere is looked at: a helper and status say which is damaged" {
	local case
	local -a cases=(
		'epoch 0 4294967295' 'star 0 90000' 'star 0 2' 'table 7 64' 'table 7 65535'
		'table 8 16383' 'rule.dest 8 16000' 'rule.rest 8 33' 'dest.service used 32'
		'dest.service free 32' 'dest.slot used 256' 'dest.slot used 4294967294'
		'dest.group free 8' 'dest.group used 60000' 'dest.family used 1'
		'slot.dest used 64' 'slot.dest free 64' 'slot.families 2 3' 'slot.flags used 64'
		'slot.next used 256' 'slot.next used 1' 'slot.next free 65536'
		'group.place used 256' 'service.named used 2' 'service.label used 27'
		'service.label used 0' 'binding.service used 32' 'binding.service free 4096'
		'binding.proto used 2' 'binding.first used 0' 'binding.first used 65535'
		'binding.where used 3'
	)
	add_ns other
	start_helper
	serve_all
	NS=other serve there 7 SKSTEER_LABEL=there 0.0.0.0#7777
	for case in "${cases[@]}"; do
		echo "damage $case"
		# shellcheck disable=SC2086 # words of a line
		is_said $case
	done
	# Which status does not read.
	kill_helper
	: > "$SKS_DIR/helper.log"
	damage prefixes 8 300 > /dev/null
	start_helper
	logs_damage 1
	is_refused as_user "$CTL" status --socket "$SOCKET"
	damage prefixes 8 0 > /dev/null
	# As good as new.
	kill_helper
	: > "$SKS_DIR/helper.log"
	start_helper
	logs_damage 0
	services_are 'pair web'
	audit
}

@test "damaged pins: servers serve on without us, other namespaces are served, until they are unloaded" {
	add_ns other
	start_helper
	serve web any:7 SKSTEER_LABEL=web 127.0.0.1#7777
	NS=other serve there 7 SKSTEER_LABEL=there 0.0.0.0#7777
	storm web 127.0.0.1 7
	kill_helper
	damage binding.service used 32 > /dev/null
	start_helper
	logs_damage 1
	has "$(log_of helper)" 'binding 0 leads to what is not there'
	is_refused ctl status web --json
	is_refused as_user "$CTL" status --socket "$SOCKET"
	is_refused ctl bind web 8
	is_refused ctl unbind web 7
	is_refused ctl unregister web
	serve more 9 0.0.0.0#9999
	said more 'are damaged: '
	gets 127.0.0.1 9999 more
	refused 127.0.0.1 9
	run ctl status --all --json
	is "$status" 1
	has "$output" 'are damaged: '
	NS=other services_are there
	NS=other gets 127.0.0.1 7 there
	NS=other serve late 8 0.0.0.0#8888
	NS=other gets 127.0.0.1 8 late
	# However often somebody asks.
	logs_damage 1
	storm_goes_on
	end_storm
	ctl unload
	not pins_are_there "$(pins_dir)"
	refused 127.0.0.1 7
	kill_server web
	serve again any:7 SKSTEER_LABEL=web 127.0.0.1#7777
	silent again
	gets 127.0.0.1 7 again
	services_are web
}

# takes_damage: a helper that starts, and status.
takes_damage() {
	kill_helper
	: > "$SKS_DIR/helper.log"
	is_refused ctl status
	start_helper
	logs_damage 1
	is_refused ctl status
}

@test "a map's pin that is not there, or is another map's: damaged, and not touched" {
	local pins map
	[[ -n $BPFTOOL ]] || need bpftool
	start_helper
	serve_all
	pins=$(pins_dir)
	for map in rules4 prefixes dests sockets heads slots counters groups services bindings; do
		echo "map $map"
		in_ns mv "$pins/$map" "$pins/kept"
		takes_damage
		in_ns "$BPFTOOL" map create "$pins/$map" type array key 4 value 4096 entries 4 name other
		takes_damage
		in_ns rm "$pins/$map"
		in_ns mv "$pins/kept" "$pins/$map"
	done
	kill_helper
	: > "$SKS_DIR/helper.log"
	start_helper
	logs_damage 0
	gets 127.0.0.1 8 web
	audit
}

@test "damaged pins go with their namespace, and are unloaded without a helper" {
	local pins
	add_ns other
	start_helper
	NS=other serve there 7 SKSTEER_LABEL=there 0.0.0.0#7777
	serve web any:7 SKSTEER_LABEL=web 127.0.0.1#7777
	pins=$(NS=other pins_dir)
	kill_helper
	NS=other damage slot.dest used 64 > /dev/null
	damage service.label used 10 > /dev/null
	# Something is steered there, whatever it is.
	run ctl status --all
	is "$status" 1
	is "$(grep -c 'are damaged: ' <<< "$output")" 2
	has_not "$output" 'nothing is steered'
	has "$(ctl unload)" 'unloaded without a helper'
	refused 127.0.0.1 7
	start_helper
	logs_damage 1
	kill -KILL "$(pid_of there)"
	delete_ns other
	wait_until 10 not pins_are_there "$pins" # the kernel, too, takes its time
	is "$(ctl status --all)" 'nothing is steered in any network namespace'
}

# keep_changing: binds and unbinds, and sockets come and go, until it is stopped.
keep_changing() {
	local i
	for ((i = 0;; i = (i + 1) % 50)); do
		ctl bind web "$((100 + i))" "any:$((200 + i))" "192.0.2.$i:80"
		tell crowd "open s$i tcp 0.0.0.0 $((5000 + i))"
		ctl unbind web "$((100 + i))" "any:$((200 + i))" "192.0.2.$i:80"
		tell crowd "close s$i"
	done > "$SKS_DIR/changes.log" 2>&1
}

@test "status while a helper is at work: nothing of that is damage" {
	local i changes before
	start_helper
	serve web 7 SKSTEER_LABEL=web 0.0.0.0#7777
	act crowd SKSTEER_PORTS='5000=10;5001=11;5002=12' SKSTEER_LABEL=crowd
	before=$(in_ns "$PROGS/pins" epoch "$(pins_dir)")
	keep_changing 3>&- &
	changes=$!
	for ((i = 0; i < 150; i++)); do
		ctl status --json > /dev/null
	done
	kill "$changes"
	wait "$changes" || :
	(($(in_ns "$PROGS/pins" epoch "$(pins_dir)") > before + 20))
}
