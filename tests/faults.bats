#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of a kernel that has no memory or refuses the program, and of a helper that dies,
# while a namespace gets its maps or its maps are replaced by larger ones (progs/faults.so.c).

load acts

PLAN=

setup() {
	sks_setup
	need jq /usr/bin/python3
	cp "$BATS_TEST_DIRNAME/acts.py" "$PROGS"
	PLAN=$SKS_DIR/faults
}

# start_faulty_helper: one that meets the faults of $PLAN.
start_faulty_helper() {
	FAULTS=$PLAN LD_PRELOAD=$PROGS/faults.so start_helper "$@"
}

# plan WORD...: from now on. No argument: the kernel is well again.
plan() {
	rm -f "$PLAN"
	[[ $# == 0 ]] || echo "$*" > "$PLAN"
}

count_descriptors() {
	local all=("/proc/$(helper_pid)/fd"/*)
	echo ${#all[@]}
}

# For wait_until: a program that looks which sockets are open is dropped when their map grows, and
# loaded anew at the next look.
has_descriptors() {
	is "$(count_descriptors)" "$1"
}

new_pins() {
	in_ns find "$BPFFS" -name '*new*'
}

# rules FIRST N: so many ports with a prefix of their own, for each of which a rule is needed.
rules() {
	local i
	for ((i = $1; i < $1 + $2; i++)); do
		printf '%s127.0.%d.0/24:%d' "$( ((i > $1)) && echo ';')" $((i % 250)) $((20000 + i))
	done
}

# bound LABEL: how many bindings it has.
bound() {
	service '.bindings + .waiting | length' "$1"
}

entries() {
	in_ns "$BPFTOOL" -j map show pinned "$(pins_dir)/$1" | jq .max_entries
}

log_since() {
	tail -n "+$(($1 + 1))" "$SKS_DIR/helper.log"
}

log_lines() {
	wc -l < "$SKS_DIR/helper.log"
}

# --- a namespace gets its maps ------------------------------------------------------------------

# is_unsteered NAME: the server says why, and serves on its own port alone.
is_unsteered() {
	said "$1" 'cannot set up this namespace'
	gets 127.0.0.1 7777 "$1"
	refused 127.0.0.1 7
	is "$(in_ns find "$BPFFS" -mindepth 1)" ''
}

# fails_at STEP MAX TEXT...: the Nth such call fails, for every N until none is made so often.
fails_at() {
	local step=$1 max=$2 i before fds
	shift 2
	for ((i = 1; i <= max; i++)); do
		before=$(log_lines)
		wait_until 5 helper_rests
		fds=$(count_descriptors)
		plan fail "$step" "$i"
		serve "web$i" 7 0.0.0.0#7777
		plan
		if [[ $(log_of "web$i") == ready ]]; then
			gets 127.0.0.1 7 "web$i"
			((i > 1)) || fail 'nothing failed'
			return 0
		fi
		is_unsteered "web$i"
		has "$(log_of "web$i")" "$*"
		has "$(log_since "$before")" "$*"
		(($(log_since "$before" | wc -l) <= 12)) || fail "$(log_since "$before")"
		wait_until 2 has_descriptors "$fds"
		kill_server "web$i"
	done
	fail 'it never came through'
}

@test "no memory for a map of a new namespace: it is said, and the next time it is steered" {
	start_faulty_helper
	fails_at map 20 'failed to create: Cannot allocate memory'
}

@test "no memory to map a new namespace's maps: it is said, and the next time it is steered" {
	start_faulty_helper
	fails_at mmap 30 'Cannot allocate memory'
}

@test "no memory to pin a new namespace's maps: it is said, and the next time it is steered" {
	start_faulty_helper
	fails_at pin 20 'Cannot allocate memory'
}

@test "a program that the verifier refuses: its telling line is said, and no namespace is half there" {
	local reason='invalid bpf_context access off=4096 size=4'
	start_faulty_helper
	fails_at load 3 "$reason"
	is "$(in_ns find "$BPFFS" -mindepth 1 -maxdepth 1 -name 'net-*' | wc -l)" 1
}

# --- sockets close ------------------------------------------------------------------------------

@test "the kernel refuses the program that finds closed sockets: they are found, and it is said once" {
	local i before opens=() closes=()
	start_faulty_helper
	act many SKSTEER_LABEL=many SKSTEER_PORTS=any:7
	does many 'open first tcp 0.0.0.0 7777 reuse'
	for i in {1..20}; do
		opens+=("open many$i tcp 0.0.0.0 7777 reuse")
		closes+=("close many$i")
	done
	before=$(log_lines)
	plan fail load 1
	does many "${opens[@]}"
	has "$(log_since "$before")" 'invalid bpf_context access off=4096 size=4'
	(($(log_since "$before" | grep -c 'invalid bpf_context') == 1))
	does many "${closes[@]}"
	wait_until 1 audit
	gets 127.0.0.1 7 first
	# Nor does it help where the program is there, and does not run.
	plan
	kill_helper
	start_faulty_helper
	does many "${opens[@]}"
	plan fail run 1
	does many "${closes[@]}"
	wait_until 1 audit
	gets 127.0.0.1 7 first
}

# --- maps are replaced by larger ones -----------------------------------------------------------

begin_growth() {
	[[ -n $BPFTOOL ]] || need bpftool
	start_faulty_helper
	serve web any:7 SKSTEER_LABEL=web 0.0.0.0#7777
	ctl bind web "$(rules 0 10)"
	is "$(entries rules4)" 64
}

# keeps_all TEXT: 90 more rules are refused with that text, and nothing has changed.
keeps_all() {
	local before began fds=$1
	began=$(log_lines)
	before=$(status_of_all)
	run ctl bind web "$(rules 10 90)"
	is "$status" 1
	has "$output" 'no room for more'
	has "$output" "$2"
	has "$(log_since "$began")" "$2"
	(($(log_since "$began" | wc -l) <= 12)) || fail "$(log_since "$began")"
	is "$(status_of_all)" "$before"
	is "$(new_pins)" ''
	is "$(entries rules4)" 64
	wait_until 2 has_descriptors "$fds"
	gets 127.0.0.1 7 web
	gets 127.0.5.1 20005 web
	refused 127.0.20.1 20020
	audit
}

@test "growth fails at any step: what was steered stays, it is said why, and later it succeeds" {
	local step i fds
	begin_growth
	wait_until 5 helper_rests
	fds=$(count_descriptors)
	storm web 127.0.0.1 7
	for step in map:'failed to create: Cannot allocate memory' mmap:'Cannot allocate memory' \
		load:'invalid bpf_context access off=4096 size=4' pin:'Cannot allocate memory' \
		link:'replacing the program'; do
		for i in 1 2; do
			plan fail "${step%%:*}" "$i"
			# Only the maps that grow are made, mapped and pinned.
			[[ $step == pin:* || $i == 1 ]] || continue
			keeps_all "$fds" "${step#*:}"
		done
	done
	plan
	ctl bind web "$(rules 10 90)"
	is "$(entries rules4)" 256
	is "$(bound web)" 101
	wait_until 2 has_descriptors "$fds"
	gets 127.0.20.1 20020 web
	gets 127.0.99.1 20099 web
	end_storm
	audit
}

@test "sockets whose map cannot grow: the ones that are there stay, and later there is room" {
	local i fds opens=()
	[[ -n $BPFTOOL ]] || need bpftool
	start_faulty_helper
	# The first of 256 numbers is never used.
	for i in {1..255}; do
		opens+=("open many$i tcp 0.0.0.0 7777 reuse")
	done
	act many SKSTEER_LABEL=many SKSTEER_PORTS=any:7
	does many "${opens[@]}"
	wait_until 5 helper_rests
	fds=$(count_descriptors)
	plan fail run 1
	act more SKSTEER_LABEL=more SKSTEER_PORTS=any:9
	does more 'open more tcp 0.0.0.0 9999'
	has "$(log_of more)" 'copying what is in the maps'
	refused 127.0.0.1 9
	has "$(ask 127.0.0.1 7)" many
	plan
	serve again 9 0.0.0.0#9998
	gets 127.0.0.1 9 again
	has "$(ask 127.0.0.1 7)" many
	is "$(entries sockets)" 1024
	is "$(entries slots)" 1024
	wait_until 2 has_descriptors "$fds"
	is "$(new_pins)" ''
	audit
}

program_is_pinned() {
	is "$(in_ns "$BPFTOOL" -j link show pinned "$(pins_dir)/link" | jq .prog_id)" \
		"$(in_ns "$BPFTOOL" -j prog show pinned "$(pins_dir)/program" | jq .id)"
}

@test "a helper killed at every step of a growth: the next one takes up, and no connection is lost" {
	local i killed=0
	begin_growth
	storm web 127.0.0.1 7
	for ((i = 1; i <= 12; i++)); do
		plan kill any "$i"
		if ctl bind web "$(rules 10 90)" 2> /dev/null; then
			break
		fi
		wait_until 5 sks_is_gone "$(helper_pid)"
		killed=$((killed + 1))
		plan
		gets 127.0.5.1 20005 web
		# Without a helper the pins are read as they are.
		is "$(bound web)" 11
		start_faulty_helper
		is "$(new_pins)" ''
		is "$(bound web)" 11
		gets 127.0.5.1 20005 web
		refused 127.0.20.1 20020
		program_is_pinned
		audit
		serve "more$i" 9 0.0.0.0#9999
		silent "more$i"
		gets 127.0.0.1 9 "more$i"
		kill_server "more$i"
		storm_goes_on 20
		# The next one has finished it: there is nothing left to kill it at.
		[[ $(entries rules4) == 64 ]] || break
	done
	# Three pins, the link, and the first rename. Those between renames: unit/grow_test.
	is "$killed" 5
	is "$(entries rules4)" 256
	plan
	ctl bind web "$(rules 10 90)" 2> /dev/null || :
	is "$(bound web)" 101
	gets 127.0.99.1 20099 web
	end_storm
}

@test "every kind of map grows in a storm: no connection is lost, and all of it is steered" {
	local i
	begin_growth
	storm web 127.0.0.1 7
	ctl bind web "$(rules 0 400)"
	for ((i = 1; i <= 130; i++)); do
		ctl bind "label$i" "127.0.0.9:$((30000 + i))"
	done
	storm_goes_on
	end_storm
	is "$(entries rules4)" 1024
	is "$(entries bindings)" 2048
	is "$(entries services)" 176
	is "$(entries dests) $(entries counters) $(entries heads)" '256 512 512'
	is "$(status_jq '.services | length')" 131
	is "$(bound web)" 401
	gets 127.0.100.1 20350 web
	refused 127.0.0.9 30130
	is "$(new_pins)" ''
	program_is_pinned
	audit
}

@test "what is counted is kept when the counters grow, by family, and so are errors" {
	local i
	[[ -n $BPFTOOL ]] || need bpftool
	start_helper
	serve web any:7 SKSTEER_LABEL=web ::#7777
	gets 127.0.0.1 7 web
	gets 127.0.0.1 7 web
	gets ::1 7 web
	for ((i = 1; i <= 130; i++)); do
		ctl bind "label$i" "127.0.0.9:$((30000 + i))"
	done
	is "$(entries counters)" 512
	kill_server web
	refused ::1 7
	is "$(service '.counters | [.steered, .ipv4.steered, .ipv6.steered] | @csv' web)" 3,2,1
	is "$(service '.counters | [.refused, .ipv4.refused, .ipv6.refused] | @csv' web)" 1,0,1
	is "$(service '.counters | [.errors, .ipv4.last_errno, .ipv6.last_errno] | @csv' web)" 0,0,0
}
