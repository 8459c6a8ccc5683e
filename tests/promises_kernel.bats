#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of promises 5 and 7: the kernel is the database, and one helper serves every
# network namespace.

load promises

# --- 5. The kernel is the database -------------------------------------------------------------

@test "promise 5: helper killed and started again in a storm: no connection is lost, status stays true" {
	local before
	start_helper
	serve web any:7,77 SKSTEER_LABEL=web 127.0.0.1#7777
	serve other '127.0.0.0/8:8;127.0.0.1:8' 0.0.0.0#8888
	before=$(status_of_all)
	storm web 127.0.0.1 7
	kill_helper
	storm_goes_on
	is "$(status_of_all)" "$before"
	gets 127.0.0.9 8 other
	start_helper
	storm_goes_on
	is "$(status_of_all)" "$before"
	end_storm
	# It knows what was there before: whom a port belongs to, and which label is served.
	AS=nobody serve thief 8080,7777 0.0.0.0#8080
	said thief 'port 7777 is held by a socket of user 0'
	serve more 9 SKSTEER_LABEL=web 0.0.0.0#9999
	said more 'label "web" is served by another instance'
	kill_server web
	refused 127.0.0.1 7
	kill_server other
	wait_until 1 services_are web
	wait_until 1 audit
}

# churn NN: each time another instance, of label churnNN or none, with 31 ports from NN00 on.
churn() {
	local vars=(LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" SKSTEER_LOG=error)
	# shellcheck disable=SC2016 # expanded by the inner shell
	start_server "churn$1" nice -n 10 env "${vars[@]}" bash -c '
		for ((i = 0; ; i++)); do
			unset SKSTEER_LABEL
			((i % 3 == 0)) || export SKSTEER_LABEL=churn$1
			printf -v ports ",$1%02d" {0..29}
			export SKSTEER_PORTS=127.0.0.1:$1$((40 + i % 7))$ports
			"$2" tcp4 "bind=127.0.0.1#90$1" listen tcp4 "bind=127.0.0.2#90$1" \
				listen > /dev/null
		done' churn "$1" "$PROGS/calls"
}

# Any instant will do, so this is no wait for anything.
random_pause() {
	sleep "0.0$((RANDOM % 5))$((RANDOM % 10))"
}

steers_now() {
	serve "$1" "$2" "0.0.0.0#$3" && silent "$1"
}

# Each of those has all of its ports, or none.
are_whole() {
	is "$(status_jq '[.services[] | select(.label | startswith("churn")) | .bindings + .waiting |
		length | select(. != 0 and . != 31)] | tojson')" '[]'
}

@test "promise 5: helper killed at any instant of registrations, 50 times: nothing half is left" {
	local i
	start_helper
	serve web any:7 SKSTEER_LABEL=web 127.0.0.1#7777
	storm web 127.0.0.1 7
	churn 20
	churn 30
	for i in {1..50}; do
		random_pause
		kill_helper
		((i % 3)) || are_whole
		start_helper
	done
	kill_server churn20
	kill_server churn30
	end_storm
	wait_until 5 gone calls
	wait_until 2 audit
	wait_until 2 services_are 'churn20 churn30 web'
	is "$(status_jq '[.services[].sockets[].port] | join(" ")')" 7777
	steers_now after 1100-1199,8 8888
	gets 127.0.0.1 8 after
	gets 127.0.0.1 1150 after
	gets 127.0.0.1 7 web
	# A label has all of a spec or nothing.
	are_whole
	plain stranger 0.0.0.0#2000 0.0.0.0#2029
	refused 127.0.0.1 2000
	refused 127.0.0.1 2029
	kill_server after
	kill_helper
	start_helper
	audit
	gets 127.0.0.1 7 web
}

@test "promise 5: what a helper killed in the middle of it has left, the next one drops" {
	local before
	start_helper
	serve web any:7 SKSTEER_LABEL=web 127.0.0.1#7777
	serve cut 77,8 SKSTEER_LABEL=cut 0.0.0.0#8888
	before=$(status_jq '[.services[] | del(.counters) | del(.sockets)] | tojson')
	kill_helper
	in_ns "$PROGS/pins" cut "$(pins_dir)"
	start_helper
	is "$(status_jq '[.services[] | del(.counters) | del(.sockets)] | tojson')" "$before"
	audit
	gets 127.0.0.1 7 web
	refused 127.0.0.1 77
	passes_by 9
	serve back 77,8 SKSTEER_LABEL=cut 0.0.0.0#8889
	gets 127.0.0.1 77 back
	audit
}

program_id() {
	in_ns "$BPFTOOL" -j link show pinned "$(pins_dir)/link" | jq .prog_id
}

link_id() {
	in_ns "$BPFTOOL" -j link show pinned "$(pins_dir)/link" | jq .id
}

pinned_program_id() {
	in_ns "$BPFTOOL" -j prog show pinned "$(pins_dir)/program" | jq .id
}

@test "promise 5: a helper of another build replaces the program in a storm: no connection is lost" {
	local i id link
	[[ -n $BPFTOOL ]] || need bpftool
	start_helper
	serve web any:7 SKSTEER_LABEL=web 127.0.0.1#7777
	storm web 127.0.0.1 7
	id=$(program_id)
	link=$(link_id)
	kill_helper
	start_helper
	is "$(program_id)" "$id"
	for i in {1..3}; do
		kill_helper
		in_ns "$PROGS/pins" old "$(pins_dir)"
		start_helper
		isnt "$(program_id)" "$id"
		id=$(program_id)
		is "$(pinned_program_id)" "$id"
		# The very link, which was never taken off.
		is "$(link_id)" "$link"
		storm_goes_on
	done
	end_storm
	gets 127.0.0.1 7 web
}

@test "promise 5: killed while it sets a namespace up, the next one finishes" {
	local i
	for i in {1..10}; do
		start_helper
		start_steered "web$i" 7 "$PROGS/serve" web 0.0.0.0#7777
		random_pause
		kill_helper
		kill_server "web$i"
		start_helper
		steers_now again 7 7777
		gets 127.0.0.1 7 again
		is "$(in_ns find "$BPFFS" -name 'new-*')" ''
		kill_server again
		ctl unload
		stop_helper
	done
}

epoch() {
	in_ns "$PROGS/pins" epoch "$(pins_dir)"
}

@test "promise 5: a second helper for the same pins is refused, and touches nothing" {
	local before
	start_helper
	serve web 7 0.0.0.0#7777
	before=$(epoch)
	run in_ns "$HELPER" --socket "$SKS_DIR/second.sock" --bpffs "$BPFFS"
	is "$status" 1
	has "$output" "another helper uses $BPFFS"
	is "$(epoch)" "$before"
	serve other 8 0.0.0.0#8888
	gets 127.0.0.1 8 other
	gets 127.0.0.1 7 web
}

# --- 7. One helper serves every network namespace ----------------------------------------------

# bats test_tags=kernels
@test "promise 7: two namespaces with the same ports, steered to two servers by one helper" {
	add_ns other
	veth main 192.0.2.1/24 other 192.0.2.2/24
	start_helper
	serve here any:7,77 127.0.0.1#7777
	NS=other serve there any:7,77 127.0.0.1#7777
	gets 127.0.0.1 7 here
	NS=other gets 127.0.0.1 7 there
	gets 192.0.2.2 77 there
	NS=other gets 192.0.2.1 77 here
	isnt "$(pins_dir)" "$(NS=other pins_dir)"
	services_are "@serve-$(pid_of here)"
	NS=other services_are "@serve-$(pid_of there)"
	kill_server here
	refused 127.0.0.1 7
	gets 192.0.2.2 7 there
}

link_is_there() {
	in_ns ip link show "$1" > /dev/null 2>&1
}

pins_are_there() {
	in_ns test -e "$1"
}

@test "promise 7: a namespace that dies with its server is gone within a second, and so are its pins" {
	local pins
	add_ns other
	veth main 192.0.2.1/24 other 192.0.2.2/24
	start_helper
	serve here 7 0.0.0.0#7777
	NS=other serve there 7 SKSTEER_LABEL=there 0.0.0.0#7777
	pins=$(NS=other pins_dir)
	pins_are_there "$pins"
	kill -KILL "$(pid_of there)"
	delete_ns other
	# The kernel takes namespaces down one after the other, also those of other tests.
	wait_until 10 has_died "$pins"
	wait_until 1 not pins_are_there "$pins"
	# A veth goes with the namespace of its peer.
	wait_until 5 not link_is_there to-other
	pins_are_there "$(pins_dir)"
	gets 127.0.0.1 7 here
}

nothing_is_pinned_but() {
	is "$(in_ns find "$BPFFS" -mindepth 1 -maxdepth 1 -name 'net-*')" "$1"
}

has_fds() {
	is "$(open_fds "$(helper_pid)")" "$1"
}

@test "promise 7: thirty namespaces die at once: none is pinned a second later, none kept alive" {
	local i before pins=()
	start_helper
	serve here 7 SKSTEER_LABEL=here 0.0.0.0#7777
	wait_until 5 helper_rests
	before=$(open_fds "$(helper_pid)")
	for i in {1..30}; do
		add_ns "many$i"
		NS=many$i serve "many$i" 7 SKSTEER_LABEL=many 0.0.0.0#7777
		pins+=("$(NS=many$i pins_dir)")
	done
	is "$(ctl status --all --json | jq '.namespaces | length')" 31
	veth main 192.0.2.1/24 many30 192.0.2.2/24
	for i in {1..30}; do
		kill -KILL "$(pid_of "many$i")"
		delete_ns "many$i"
	done
	for i in "${pins[@]}"; do
		wait_until 10 has_died "$i"
	done
	wait_until 1 nothing_is_pinned_but "$(pins_dir)"
	wait_until 5 not link_is_there to-many30
	is "$(ctl status --all --json | jq '.namespaces | length')" 1
	# It lets go of what it had open for them by and by.
	wait_until 5 has_fds "$before"
	has_not "$(in_ns cat "/proc/$(helper_pid)/maps")" 'net:['
	gets 127.0.0.1 7 here
}

@test "promise 7: a helper keeps no namespace alive but its own, and no link is lost when it ends" {
	local pid link namespaces=()
	add_ns other
	start_helper
	NS=other serve there 7 0.0.0.0#7777
	pid=$(helper_pid)
	for link in "/proc/$pid/fd"/*; do
		[[ $(readlink "$link") != net:* ]] || namespaces+=("$(readlink "$link")")
	done
	for link in "${namespaces[@]}"; do
		is "$link" "$(readlink "/proc/$pid/ns/net")"
	done
	stop_helper
	NS=other gets 127.0.0.1 7 there
}

@test "promise 7: the pins of a dead namespace whose number another one got are not taken for its own" {
	local dead
	add_ns other
	start_helper
	NS=other serve there 7 SKSTEER_LABEL=there 0.0.0.0#7777
	kill_helper
	dead=$(NS=other pins_dir)
	kill_server there
	delete_ns other
	wait_until 5 link_is_dead "$dead"
	in_ns mv "$dead" "$(pins_dir)"
	start_helper
	not pins_are_there "$(pins_dir)"
	serve here 7 0.0.0.0#7777
	silent here
	gets 127.0.0.1 7 here
}

@test "promise 7: a number that is given again while the helper runs" {
	local ino i
	add_ns other
	start_helper
	NS=other serve there 7 SKSTEER_LABEL=there 0.0.0.0#7777
	ino=$(ns_ino other)
	kill_server there
	delete_ns other
	for i in {1..30}; do
		add_ns "next$i"
		[[ $(ns_ino "next$i") != "$ino" ]] || break
	done
	NS=next$i serve here 7 0.0.0.0#7777
	NS=next$i gets 127.0.0.1 7 here
	NS=next$i services_are "@serve-$(pid_of here)"
}
