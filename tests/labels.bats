#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of instances, labels and modes: whose sockets are one service, and what a name
# keeps.

load stand

# The services with their sockets' ports, in the order of their labels: "web 7777 7777".
services() {
	status_jq '[.services[] | "\(.label) \([.sockets[].port] | sort | map(tostring) | join(" "))"]
		| sort[]'
}

# bindings [LABEL]: "PREFIX PORTS" of each, sorted.
bindings() {
	service '.bindings[] | "\(.prefix) \(.ports)"' "$@" | sort
}

# child_of NAME: the pid of its one child.
child_of() {
	xargs < "/proc/$(pid_of "$1")/task/$(pid_of "$1")/children"
}

# --- instances --------------------------------------------------------------------------------

@test "raw form: a forked child is of its parent's instance" {
	stand web SKSTEER_PORTS=7 a=tcp:0.0.0.0#7777,reuse fork b=tcp:0.0.0.0#7777,reuse \
		c=tcp:0.0.0.0#7778 d=tcp:::#7777,v6only
	is "$(services)" "@stand-$(pid_of web) 7777 7777 7777"
	is "$(service '.sockets[].pid' | sort -u | xargs)" "$(pid_of web) $(child_of web)"
	reaches ::1#7=d 127.0.0.1#7778=c
	said web
}

@test "raw form: a program that is executed anew is another instance" {
	stand web SKSTEER_PORTS='7777=7;7778=8' a=tcp:0.0.0.0#7777 fork exec b=tcp:0.0.0.0#7778
	is "$(services)" "@stand-$(pid_of web) 7777
@stand-$(child_of web) 7778"
	reaches 127.0.0.1#7=a 127.0.0.1#8=b
	said web
}

@test "raw form: so it does not get what its parent has" {
	stand web SKSTEER_PORTS=7 a=tcp:0.0.0.0#7777,reuse fork exec b=tcp:0.0.0.0#7777,reuse
	is "$(services)" "@stand-$(pid_of web) 7777"
	said web "sksteer: 0.0.0.0/0:7/tcp is steered to \"@stand-$(pid_of web)\" already"
}

@test "raw form: a program executed anew in the same process starts over" {
	stand web SKSTEER_PORTS=7,8 a=tcp:0.0.0.0#7777 exec b=tcp:0.0.0.0#7778
	is "$(services)" "@stand-$(pid_of web) 7778"
	reaches 127.0.0.1#7-8=b 127.0.0.1#7777=refused
	said web
}

@test "sksteer-run: one instance with all that it starts, however deep" {
	stand_run web -p 7 -- a=tcp:0.0.0.0#7777,reuse fork exec b=tcp:0.0.0.0#7777,reuse \
		fork exec c=tcp:::#7777,v6only fork exec d=tcp:0.0.0.0#7778
	is "$(services)" "@stand-$(pid_of web) 7777 7777 7777"
	reaches ::1#7=c 127.0.0.1#7778=d
	said web
}

@test "the first listener is the instance's, not that of each process" {
	stand_run web -p 7 -- a=tcp:0.0.0.0#7777 fork exec b=tcp:0.0.0.0#7778 \
		c=tcp:::#7777,v6only d=tcp:0.0.0.0#7779
	is "$(services)" "@stand-$(pid_of web) 7777 7777"
	reaches 127.0.0.1#7=a ::1#7=c 127.0.0.1#7778=b 127.0.0.1#7779=d
	said web
}

@test "sksteer-run: each run is an instance of its own" {
	stand_run one -p 7 -- a=tcp:0.0.0.0#7777
	stand_run two -p 8 -- b=tcp:0.0.0.0#7778
	is "$(services)" "$(printf '%s\n' "@stand-$(pid_of one) 7777" "@stand-$(pid_of two) 7778" |
		sort)"
	reaches 127.0.0.1#7=a 127.0.0.1#8=b
}

@test "sockets of one instance and one uid join: another uid's are another service" {
	local instance=00112233445566778899aabbccddeeff
	AS=nobody stand a SKSTEER_INSTANCE=$instance SKSTEER_PORTS=1025 a=tcp:0.0.0.0#7777
	AS=user2 stand b SKSTEER_INSTANCE=$instance SKSTEER_PORTS=1026 b=tcp:0.0.0.0#7778
	AS=nobody stand c SKSTEER_INSTANCE=$instance SKSTEER_PORTS=1025 c=tcp:::#7777,v6only
	is "$(status_jq '[.services[] | "\(.owner.uid) \(.sockets | length)"] | sort[]')" "65533 1
65534 2"
	reaches 127.0.0.1#1025=a ::1#1025=c 127.0.0.1#1026=b ::1#1026=refused
}

@test "an ephemeral service is called @COMM-PID, and goes with its last socket" {
	local child
	stand web SKSTEER_PORTS=7 a=tcp:0.0.0.0#7777,reuse fork b=tcp:::#7777,v6only
	child=$(child_of web)
	is "$(services)" "@stand-$(pid_of web) 7777 7777"
	is "$(service .ephemeral)" true
	# The child has both sockets, its parent's by inheritance.
	kill_server web
	reaches 127.0.0.1#7=a ::1#7=b
	kill -KILL "$child"
	wait_until 1 is_empty
	reaches {127.0.0.1,::1}#7=refused
	stand next SKSTEER_PORTS=7 next=tcp:0.0.0.0#7777
	reaches 127.0.0.1#7=next
	said next
}

is_empty() {
	is "$(status_jq '.services | length')" 0
}

# --- labels -----------------------------------------------------------------------------------

@test "a label names a service of its namespace: the same one elsewhere is another" {
	add_ns other
	stand a SKSTEER_LABEL=web SKSTEER_PORTS=7 a=tcp:0.0.0.0#7777
	NS=other stand b SKSTEER_LABEL=web SKSTEER_PORTS=8 b=tcp:0.0.0.0#7777
	is "$(services)" 'web 7777'
	is "$(NS=other services)" 'web 7777'
	reaches 127.0.0.1#7=a 127.0.0.1#8=refused
	NS=other reaches 127.0.0.1#7=refused 127.0.0.1#8=b
	said a
	said b
}

@test "a label names a service of its uid: another user's of that name is another" {
	AS=nobody stand a SKSTEER_LABEL=web SKSTEER_PORTS=1025 a=tcp:0.0.0.0#7777
	AS=user2 stand b SKSTEER_LABEL=web SKSTEER_PORTS=1026 b=tcp:0.0.0.0#7778
	is "$(status_jq '[.services[] | "\(.label) \(.owner.uid)"] | sort[]')" "web 65533
web 65534"
	reaches 127.0.0.1#1025=a 127.0.0.1#1026=b
	said a
	said b
}

@test "one instance's servers with different labels are different services" {
	local instance=00112233445566778899aabbccddeeff
	stand a SKSTEER_INSTANCE=$instance SKSTEER_LABEL=one SKSTEER_PORTS=7 a=tcp:0.0.0.0#7777
	stand b SKSTEER_INSTANCE=$instance SKSTEER_LABEL=two SKSTEER_PORTS=8 b=tcp:0.0.0.0#7778
	is "$(services)" "one 7777
two 7778"
}

# bats test_tags=kernels
@test "server down: refused, and to nobody else; back: served, with nothing typed again" {
	local i
	for i in 1 2; do
		stand web SKSTEER_LABEL=web SKSTEER_PORTS='7;7777=any:8' "web$i=tcp:127.0.0.1#7777"
		reaches 127.0.0.1#7-8=web$i 127.0.0.2#8=web$i
		kill_server web
		plain stranger stranger=tcp:0.0.0.0#8
		reaches 127.0.0.1#7-8=refused 127.0.0.2#8=refused
		is "$(service '.ephemeral')" false
		kill_server stranger
	done
	wait_sockets 0
	is "$(services)" 'web '
}

@test "a new instance's spec replaces the earlier one's; what sksteerctl bound stays" {
	stand one SKSTEER_LABEL=web SKSTEER_PORTS=7,8 one=tcp:0.0.0.0#7777
	ctl bind web 9
	reaches 127.0.0.1#7-9=one
	kill_server one
	stand two SKSTEER_LABEL=web SKSTEER_PORTS=8,10 two=tcp:0.0.0.0#7778
	reaches 127.0.0.1#{8,9,10}=two 127.0.0.1#{7,7777}=refused
	is "$(bindings web)" "0.0.0.0/0 10
0.0.0.0/0 8
0.0.0.0/0 9"
	said two
}

@test "an unchanged instance with another spec replaces it too, its sockets stay" {
	local instance=00112233445566778899aabbccddeeff
	stand one SKSTEER_INSTANCE=$instance SKSTEER_LABEL=web SKSTEER_PORTS=7 one=tcp:0.0.0.0#7777
	stand two SKSTEER_INSTANCE=$instance SKSTEER_LABEL=web SKSTEER_PORTS=8 two=tcp:::#7777,v6only
	reaches 127.0.0.1#7=refused 127.0.0.1#8=one ::1#8=two
	is "$(services)" 'web 7777 7777'
}

@test "a spec that is refused leaves the label's earlier one as it was" {
	local spec
	stand other SKSTEER_PORTS=3000 other=tcp:0.0.0.0#7776
	AS=nobody stand one SKSTEER_LABEL=web SKSTEER_PORTS=2000 one=tcp:0.0.0.0#7777
	kill_server one
	plain stranger stranger=tcp:0.0.0.0#2000
	for spec in 2001,80 2001,3000; do
		AS=nobody stand two SKSTEER_LABEL=web SKSTEER_PORTS=$spec two=tcp:0.0.0.0#7778
		has "$(log_of two)" "${spec#*,}"
		reaches 127.0.0.1#{2000,2001,80}=refused 127.0.0.1#3000=other \
			127.0.0.1#7778=two
		is "$(service '.sockets | length' web)" 0
		is "$(bindings web)" '0.0.0.0/0 2000'
		kill_server two
	done
	kill_server stranger
	AS=nobody stand three SKSTEER_LABEL=web SKSTEER_PORTS=2000 three=tcp:0.0.0.0#7779
	reaches 127.0.0.1#2000=three
	said three
}

# --- a label without a spec -------------------------------------------------------------------

@test "a label alone: its ports come from sksteerctl, before the server" {
	ctl bind web 7 any:8
	reaches 127.0.0.1#7-8=refused
	stand web SKSTEER_LABEL=web web=tcp:127.0.0.1#7777
	reaches 127.0.0.1#7=web 127.0.0.2#7=refused 127.0.0.{1,2}#8=web
	said web
}

@test "a label alone: its ports come from sksteerctl, after the server; and go" {
	stand web SKSTEER_LABEL=web web=tcp:0.0.0.0#7777 web=tcp:::#7777,v6only other=tcp:0.0.0.0#7778
	reaches {127.0.0.1,::1}#7=refused
	ctl bind web 7,8
	reaches {127.0.0.1,::1}#7-8=web 127.0.0.1#7778=other
	ctl unbind web 8
	reaches {127.0.0.1,::1}#7=web {127.0.0.1,::1}#8=refused
	said web
}

@test "a label alone: a binding follows the label's sockets as they come" {
	stand one SKSTEER_LABEL=web one=tcp:127.0.0.1#7777
	ctl bind web 7
	reaches 127.0.0.1#7=one ::1#7=refused
	kill_server one
	stand two SKSTEER_LABEL=web two=tcp:::1#8888
	reaches 127.0.0.1#7=refused ::1#7=two
	kill_server two
	stand three SKSTEER_LABEL=web three=tcp:::#9999
	reaches {127.0.0.1,127.0.0.2,::1}#7=three
	is "$(services)" 'web 9999'
}

@test "sksteer-run -l: the same, with and without ports of its own" {
	ctl bind web 7
	stand_run web -l web -- web=tcp:0.0.0.0#7777
	reaches 127.0.0.1#7=web 127.0.0.1#8=refused
	kill_server web
	stand_run web -l web -p 8 -- web=tcp:0.0.0.0#7777
	reaches 127.0.0.1#7-8=web
	is "$(services)" 'web 7777'
}

# --- modes ------------------------------------------------------------------------------------

@test "refuse: a second instance takes nothing, sees what it would see, and is told once" {
	local mode one
	stand one SKSTEER_LABEL=web SKSTEER_PORTS=7 a=tcp:0.0.0.0#7777
	one=$(service . | jq -c 'del(.counters)')
	for mode in '' refuse; do
		stand two SKSTEER_LABEL=web SKSTEER_MODE=$mode SKSTEER_PORTS=7,8 b=tcp:0.0.0.0#7778 \
			c=tcp:::#7778,v6only
		said two "sksteer: label \"web\" is served by another instance (process $(pid_of one))"
		reaches 127.0.0.1#7=a 127.0.0.1#8=refused 127.0.0.1#7778=b ::1#7778=c
		is "$(service . | jq -c 'del(.counters)')" "$one"
		kill_server two
	done
	# What it would see without us: its own port is taken.
	stand two SKSTEER_LABEL=web SKSTEER_PORTS=7 b=tcp:0.0.0.0#7777
	said two 'b bind EADDRINUSE'
	reaches 127.0.0.1#{7,7777}=a
}

@test "refuse: with SKSTEER_STRICT the second instance's bind(2) fails" {
	stand one SKSTEER_LABEL=web SKSTEER_PORTS=7 a=tcp:0.0.0.0#7777
	stand two SKSTEER_LABEL=web SKSTEER_STRICT=1 SKSTEER_PORTS=7 b=tcp:0.0.0.0#7778
	says two 'b bind EADDRINUSE'
	not listening 7778
	reaches 127.0.0.1#7=a
}

@test "refuse: the label is free as soon as its last server has closed" {
	local i
	stand one SKSTEER_LABEL=web SKSTEER_PORTS=7 a=tcp:0.0.0.0#7777
	for i in {1..10}; do
		kill_server one
		stand one SKSTEER_LABEL=web SKSTEER_PORTS=7 a=tcp:0.0.0.0#7777
		said one
		reaches 127.0.0.1#7=a
	done
}

@test "a mode that is none is quoted; nothing is steered" {
	stand web SKSTEER_MODE=replaced SKSTEER_PORTS=7 "web=tcp:0.0.0.0#7777"
	has "$(log_of web)" 'sksteer: SKSTEER_MODE "replaced": '
	reaches 127.0.0.1#7=refused 127.0.0.1#7777=web
}
